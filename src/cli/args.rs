//! The arguments of every command. Names and meanings follow Terraform where it has the same.

use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, Args, Parser, Subcommand};

fn duration(text: &str) -> Result<Duration, String> {
    let ms = crate::lang::functions::streamform::milliseconds(text).and_then(|n| u64::try_from(n).ok());
    ms.map(Duration::from_millis).ok_or_else(|| "a duration is expected, such as 30s or 5m".into())
}

/// Declarative provisioning of Kafka clusters, Connect, connectors, topics, ACLs and secrets from HCL.
#[derive(Debug, Parser)]
#[command(name = "streamform", version, about, propagate_version = false, max_term_width = 110)]
pub struct Cli {
    /// Work in another folder.
    #[arg(long, global = true, value_name = "DIR")]
    pub chdir: Option<PathBuf>,
    /// No colour (NO_COLOR does the same).
    #[arg(long, global = true)]
    pub no_color: bool,
    /// Whether questions may be asked.
    #[arg(long, global = true, default_value_t = true, action = ArgAction::Set, value_name = "BOOL", hide = true, num_args = 0..=1, default_missing_value = "true", require_equals = true)]
    pub input: bool,
    #[command(subcommand)]
    pub command: Command,
}

/// `-var` and `-var-file`; their order is read from the command line itself.
#[derive(Clone, Debug, Default, Args)]
pub struct VarFlags {
    /// Sets a variable; may be repeated.
    #[arg(long = "var", value_name = "NAME=VALUE")]
    pub vars: Vec<String>,
    /// Reads variables from a file; may be repeated.
    #[arg(long = "var-file", value_name = "FILE")]
    pub var_files: Vec<PathBuf>,
}

/// What every run that makes a plan takes.
#[derive(Clone, Debug, Args)]
pub struct PlanArgs {
    #[command(flatten)]
    pub vars: VarFlags,
    /// Refresh from the real systems before planning.
    #[arg(long, default_value_t = true, action = ArgAction::Set, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true", require_equals = true)]
    pub refresh: bool,
    /// Only this object and what it depends on (repeatable).
    #[arg(long = "target", value_name = "ADDR")]
    pub targets: Vec<String>,
    /// Exclude this object and everything that depends on it (repeatable).
    #[arg(long = "exclude", value_name = "ADDR")]
    pub excludes: Vec<String>,
    /// Allow changes that lose data (deleting topics, dropping volumes).
    #[arg(long)]
    pub allow_data_loss: bool,
    /// Show unchanged attributes too.
    #[arg(long)]
    pub verbose: bool,
    /// Warnings as a list, without their explanations, where there are no errors.
    #[arg(long)]
    pub compact_warnings: bool,
    /// JSON on stdout.
    #[arg(long)]
    pub json: bool,
}

/// What kind of plan `plan` and `apply` make.
#[derive(Clone, Debug, Args)]
pub struct ModeArgs {
    /// Plan to destroy everything.
    #[arg(long)]
    pub destroy: bool,
    /// Only update the state to match the real systems.
    #[arg(long)]
    pub refresh_only: bool,
    /// Force replacement of this object (repeatable).
    #[arg(long, value_name = "ADDR")]
    pub replace: Vec<String>,
}

/// How `apply` and `destroy` carry a plan out.
#[derive(Clone, Debug, Args)]
pub struct RunArgs {
    /// Do not ask for approval.
    #[arg(long)]
    pub auto_approve: bool,
    /// Maximum number of concurrent operations.
    #[arg(long, default_value_t = 10, value_name = "N", value_parser = at_least_one)]
    pub parallelism: usize,
    /// How long to wait for the state's lock.
    #[arg(long, default_value = "0s", value_parser = duration, value_name = "DURATION")]
    pub lock_timeout: Duration,
    /// Known for the sake of habit: `-lock=false` is refused.
    #[arg(long, hide = true, action = ArgAction::Set, default_value_t = true, num_args = 0..=1, default_missing_value = "true", require_equals = true)]
    pub lock: bool,
}

/// `plan`
#[derive(Clone, Debug, Args)]
pub struct PlanCommand {
    #[command(flatten)]
    pub plan: PlanArgs,
    #[command(flatten)]
    pub mode: ModeArgs,
    /// Exit with 2 when there are changes.
    #[arg(long)]
    pub detailed_exitcode: bool,
    /// Save the plan to a file for apply.
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Write resource blocks for what import blocks name and nothing declares to this new file.
    #[arg(long, value_name = "FILE")]
    pub generate_config_out: Option<PathBuf>,
    /// Accepted for the sake of habit: a plan reads in batches, and has nothing to limit.
    #[arg(long, hide = true, default_value_t = 10, value_name = "N", value_parser = at_least_one)]
    pub parallelism: usize,
    /// Accepted for the sake of habit: a plan takes no lock, so it waits for none.
    #[arg(long, hide = true, default_value = "0s", value_parser = duration, value_name = "DURATION")]
    pub lock_timeout: Duration,
    /// Accepted for the sake of habit: a plan takes no lock.
    #[arg(long, hide = true, action = ArgAction::Set, default_value_t = true, num_args = 0..=1, default_missing_value = "true", require_equals = true)]
    pub lock: bool,
}

/// `apply`
#[derive(Clone, Debug, Args)]
pub struct ApplyCommand {
    #[command(flatten)]
    pub plan: PlanArgs,
    #[command(flatten)]
    pub mode: ModeArgs,
    #[command(flatten)]
    pub run: RunArgs,
    /// A saved plan.
    #[arg(value_name = "PLAN")]
    pub saved: Option<PathBuf>,
}

/// `destroy`
#[derive(Clone, Debug, Args)]
pub struct DestroyCommand {
    #[command(flatten)]
    pub plan: PlanArgs,
    #[command(flatten)]
    pub run: RunArgs,
    /// Known, so that the refusal can say what to write.
    #[arg(long, hide = true)]
    pub destroy: bool,
    /// Known, so that the refusal can say what to write.
    #[arg(long, hide = true)]
    pub refresh_only: bool,
    /// Known, so that the refusal can say what to write.
    #[arg(long, hide = true, value_name = "ADDR")]
    pub replace: Vec<String>,
    /// Known, so that the refusal can say what to write.
    #[arg(value_name = "PLAN", hide = true)]
    pub saved: Option<PathBuf>,
}

/// `-lock-timeout` alone.
#[derive(Clone, Debug, Args)]
pub struct LockFlag {
    /// How long to wait for the state's lock.
    #[arg(long, default_value = "0s", value_parser = duration, value_name = "DURATION")]
    pub lock_timeout: Duration,
}

/// `validate`
#[derive(Clone, Debug, Args)]
pub struct ValidateCommand {
    #[command(flatten)]
    pub vars: VarFlags,
    /// Leave out the test files.
    #[arg(long)]
    pub no_tests: bool,
    /// The folder of test files, beside those of the working folder.
    #[arg(long, default_value = "tests", value_name = "DIR")]
    pub test_directory: PathBuf,
    /// JSON on stdout.
    #[arg(long)]
    pub json: bool,
}

/// `drift`
#[derive(Clone, Debug, Args)]
pub struct DriftCommand {
    #[command(flatten)]
    pub vars: VarFlags,
    /// Whether to look for objects that no block declares.
    #[arg(long, default_value_t = true, action = ArgAction::Set, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true", require_equals = true)]
    pub unmanaged: bool,
    /// Also show each object that differs in full, with its unchanged attributes and what apply would do.
    #[arg(long)]
    pub verbose: bool,
    /// JSON on stdout.
    #[arg(long)]
    pub json: bool,
}

/// `show`
#[derive(Clone, Debug, Args)]
pub struct ShowCommand {
    /// A saved plan; without it the state is shown.
    pub path: Option<PathBuf>,
    /// JSON on stdout.
    #[arg(long)]
    pub json: bool,
}

/// `output`
#[derive(Clone, Debug, Args)]
pub struct OutputCommand {
    /// One output.
    pub name: Option<String>,
    /// JSON on stdout.
    #[arg(long)]
    pub json: bool,
    /// The bare text of a string, number or boolean.
    #[arg(long, requires = "name", conflicts_with = "json")]
    pub raw: bool,
}

/// `import`
#[derive(Clone, Debug, Args)]
pub struct ImportCommand {
    #[command(flatten)]
    pub vars: VarFlags,
    /// The block's address.
    pub addr: String,
    /// The object's id on the real system: a topic's or connector's name, an ACL's principal.
    pub id: String,
    /// How long to wait for the state's lock.
    #[arg(long, default_value = "0s", value_parser = duration, value_name = "DURATION")]
    pub lock_timeout: Duration,
}

/// `graph`
#[derive(Clone, Debug, Args)]
pub struct GraphArgs {
    /// dot, mermaid or text.
    #[arg(long, default_value = "dot", value_parser = ["dot", "mermaid", "text"])]
    pub format: String,
    /// Variables, locals and outputs too.
    #[arg(long)]
    pub all: bool,
}

/// `console`
#[derive(Clone, Debug, Args)]
pub struct ConsoleCommand {
    #[command(flatten)]
    pub vars: VarFlags,
    /// Read the real systems first.
    #[arg(long)]
    pub plan: bool,
}

/// `test`
#[derive(Clone, Debug, Args)]
pub struct TestCommand {
    #[command(flatten)]
    pub vars: VarFlags,
    /// Only this test file; may be repeated.
    #[arg(long = "filter", value_name = "FILE")]
    pub filters: Vec<PathBuf>,
    /// The folder of test files, beside those of the working folder.
    #[arg(long, default_value = "tests", value_name = "DIR")]
    pub test_directory: PathBuf,
    /// Show the plan or the state of each run.
    #[arg(long)]
    pub verbose: bool,
    /// JSON lines on stdout.
    #[arg(long)]
    pub json: bool,
    /// Write the results to a file as JUnit XML.
    #[arg(long, value_name = "FILE")]
    pub junit_xml: Option<PathBuf>,
    /// How many calls run at one time, and how many objects that are made one by one.
    #[arg(long, default_value_t = 10, value_name = "N", value_parser = at_least_one)]
    pub parallelism: usize,
}

/// `explain`
#[derive(Clone, Debug, Args)]
pub struct ExplainCommand {
    /// A resource type, data source or function.
    pub name: Option<String>,
    /// JSON on stdout: the schema of the type, or of all of them.
    #[arg(long)]
    pub json: bool,
}

/// `providers`
#[derive(Clone, Debug, Args)]
pub struct ProvidersArgs {
    #[command(subcommand)]
    pub command: Option<ProvidersCommand>,
}

/// What `providers` can show in place of the tree.
#[derive(Clone, Debug, Subcommand)]
pub enum ProvidersCommand {
    /// The schemas of everything that can be written, as JSON.
    Schema {
        /// JSON on stdout; there is no other form.
        #[arg(long, required = true)]
        json: bool,
    },
}

/// `fmt`
#[derive(Clone, Debug, Args)]
pub struct FmtCommand {
    /// Files or folders; `-` is standard input.
    pub paths: Vec<PathBuf>,
    /// Change nothing; exit with 3 when something is not formatted.
    #[arg(long)]
    pub check: bool,
    /// Show what changes.
    #[arg(long)]
    pub diff: bool,
    /// Folders inside folders too.
    #[arg(long)]
    pub recursive: bool,
    /// Whether to write the files.
    #[arg(long, default_value_t = true, action = ArgAction::Set, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true", require_equals = true)]
    pub write: bool,
    /// Whether to list the files.
    #[arg(long, default_value_t = true, action = ArgAction::Set, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true", require_equals = true)]
    pub list: bool,
}

/// `init`
#[derive(Clone, Debug, Args)]
pub struct InitCommand {
    /// Take what branches and tags stand for now, whatever the lock file says.
    #[arg(long)]
    pub upgrade: bool,
    /// readonly: take only the commits that the lock file holds, and leave it as it is.
    #[arg(long, value_name = "MODE", value_parser = ["readonly"], conflicts_with = "upgrade")]
    pub lockfile: Option<String>,
    /// Whether to look at the backend.
    #[arg(long, default_value_t = true, action = ArgAction::Set, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true", require_equals = true)]
    pub backend: bool,
    /// Start from a copy of this module.
    #[arg(long, value_name = "SOURCE")]
    pub from_module: Option<String>,
    /// JSON lines on stdout.
    #[arg(long)]
    pub json: bool,
    /// Accepted for the sake of habit: what is fetched is always in the folder itself.
    #[arg(long, hide = true)]
    pub reconfigure: bool,
    /// Accepted for the sake of habit.
    #[arg(long, hide = true, action = ArgAction::Set, default_value_t = true, num_args = 0..=1, default_missing_value = "true", require_equals = true)]
    pub get: bool,
}

/// `get`
#[derive(Clone, Debug, Args)]
pub struct GetCommand {
    /// Take what branches and tags stand for now, whatever the lock file says.
    #[arg(long)]
    pub update: bool,
    /// JSON lines on stdout.
    #[arg(long)]
    pub json: bool,
}

/// `install`
#[derive(Clone, Debug, Args)]
pub struct InstallCommand {
    /// Apply everything without asking.
    #[arg(short = 'a', long = "auto", conflicts_with = "no_demo_cluster")]
    pub apply: bool,
    /// Only write the files.
    #[arg(long)]
    pub no_demo_cluster: bool,
    /// Destroy the quickstart and remove its state and data.
    #[arg(long, conflicts_with_all = ["apply", "no_demo_cluster"])]
    pub remove: bool,
}

/// `force-unlock`
#[derive(Clone, Debug, Args)]
pub struct UnlockCommand {
    /// The lock's id, as `lock list` shows it.
    pub id: String,
    /// Taken for Terraform's sake: nobody is asked.
    #[arg(long, hide = true)]
    pub force: bool,
}

/// `version`
#[derive(Clone, Debug, Args)]
pub struct VersionCommand {
    /// JSON on stdout.
    #[arg(long)]
    pub json: bool,
}

/// `completions`
#[derive(Clone, Debug, Args)]
pub struct CompletionsCommand {
    /// The shell.
    pub shell: clap_complete::Shell,
}

/// `state`
#[derive(Clone, Debug, Subcommand)]
pub enum StateCommand {
    /// List the recorded objects.
    List {
        /// Only these.
        addrs: Vec<String>,
        /// JSON on stdout.
        #[arg(long)]
        json: bool,
    },
    /// Show one recorded object.
    Show {
        /// The object.
        addr: String,
        /// As it was after this generation (see `state history`).
        #[arg(long)]
        at: Option<u64>,
        /// JSON on stdout.
        #[arg(long)]
        json: bool,
    },
    /// Rename a recorded object; the real one is not touched.
    Mv {
        /// The address of now.
        from: String,
        /// The new address.
        to: String,
        #[command(flatten)]
        lock: LockFlag,
    },
    /// Forget recorded objects; the real ones are not touched.
    Rm {
        /// What to forget.
        #[arg(required = true)]
        addrs: Vec<String>,
        #[command(flatten)]
        lock: LockFlag,
    },
    /// List the applies that are kept.
    History {
        /// JSON lines on stdout.
        #[arg(long)]
        json: bool,
    },
    /// Write the whole state as JSON lines, for a backup. Never holds a secret.
    Export,
    /// Replace the whole state by an export.
    Restore {
        /// The export.
        file: PathBuf,
        #[command(flatten)]
        lock: LockFlag,
    },
}

/// `lock`
#[derive(Clone, Debug, Subcommand)]
pub enum LockCommand {
    /// Show who holds the state's lock.
    List,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Fetch the modules that the configuration calls.
    Init(InitCommand),
    /// Fetch modules only.
    Get(GetCommand),
    /// Check the configuration without touching anything.
    Validate(ValidateCommand),
    /// Show what would change.
    Plan(PlanCommand),
    /// Bring the real systems to what the configuration says.
    Apply(ApplyCommand),
    /// Remove everything that was applied.
    Destroy(DestroyCommand),
    /// Find what was changed outside, and what no block declares. Exit 0: none, 2: some.
    Drift(DriftCommand),
    /// Show the state or a saved plan.
    Show(ShowCommand),
    /// Show outputs.
    Output(OutputCommand),
    /// Look at and edit the state.
    #[command(subcommand)]
    State(StateCommand),
    /// Take an existing object into the state.
    Import(ImportCommand),
    /// Print the dependency graph.
    Graph(GraphArgs),
    /// Evaluate expressions.
    Console(ConsoleCommand),
    /// Carry out the runs of test files (*.sftest.hcl) on states of their own.
    Test(TestCommand),
    /// Describe resource types and functions.
    Explain(ExplainCommand),
    /// Show which providers each module needs, and in what its objects live.
    Providers(ProvidersArgs),
    /// Format configuration files.
    Fmt(FmtCommand),
    /// Write the quickstart here; with -a bring it up.
    Install(InstallCommand),
    /// Look at the state's lock.
    #[command(subcommand)]
    Lock(LockCommand),
    /// Clear a lock that a dead process left.
    ForceUnlock(UnlockCommand),
    /// Print a completion script.
    Completions(CompletionsCommand),
    /// Print the version.
    Version(VersionCommand),
}

impl Command {
    /// Whether warnings are to be listed only.
    pub fn compact(&self) -> bool {
        match self {
            Command::Plan(a) => a.plan.compact_warnings,
            Command::Apply(a) => a.plan.compact_warnings,
            Command::Destroy(a) => a.plan.compact_warnings,
            _ => false,
        }
    }

    /// Whether machine-readable output was asked for.
    pub fn json(&self) -> bool {
        match self {
            Command::Plan(a) => a.plan.json,
            Command::Apply(a) => a.plan.json,
            Command::Destroy(a) => a.plan.json,
            Command::Drift(a) => a.json,
            Command::Show(a) => a.json,
            Command::Output(a) => a.json,
            Command::Init(a) => a.json,
            Command::Get(a) => a.json,
            Command::Test(a) => a.json,
            Command::Explain(a) => a.json,
            Command::Providers(a) => a.command.is_some(),
            Command::State(StateCommand::List { json, .. } | StateCommand::Show { json, .. } | StateCommand::History { json }) => *json,
            _ => false,
        }
    }
}

fn at_least_one(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|n| *n > 0).ok_or_else(|| "a whole number from 1 on is expected".to_string())
}
