//! Blocks, arguments, variables and modules (SF2000 and up).

codes! {
    /// An argument that the block does not have.
    UNSUPPORTED_ARGUMENT = "SF2001", "Unsupported argument";
    /// A block type that is not expected here.
    UNSUPPORTED_BLOCK = "SF2002", "Unsupported block type";
    /// An argument that must be set is not.
    MISSING_ARGUMENT = "SF2003", "Missing required argument";
    /// A block has too few or too many labels.
    WRONG_LABELS = "SF2004", "Wrong number of block labels";
    /// A name or argument is declared twice.
    DUPLICATE = "SF2005", "Duplicate declaration";
    /// A name that is not an identifier, or is reserved.
    INVALID_NAME = "SF2006", "Invalid name";
    /// An argument's value has not the form that is needed.
    INVALID_ARGUMENT = "SF2007", "Invalid argument value";
    /// Two arguments exclude each other.
    CONFLICTING_ARGUMENTS = "SF2008", "Conflicting arguments";
    /// A block that must be there is missing.
    MISSING_BLOCK = "SF2009", "Missing required block";
    /// A reference that must be static has another form.
    INVALID_REFERENCE = "SF2010", "Invalid reference form";
    /// A type constraint that is none.
    INVALID_TYPE = "SF2011", "Invalid type constraint";
    /// A `terraform` block.
    TERRAFORM_BLOCK = "SF2012", "Terraform settings block";
    /// `required_version` excludes this version.
    UNSUPPORTED_VERSION = "SF2013", "Unsupported streamform version";
    /// A version constraint that does not parse.
    INVALID_VERSION = "SF2014", "Invalid version constraint";
    /// A folder without configuration.
    NO_CONFIGURATION = "SF2020", "No configuration files";
    /// A file or folder could not be read.
    UNREADABLE = "SF2021", "Unreadable configuration";
    /// A module calls itself.
    MODULE_CYCLE = "SF2022", "Module cycle";
    /// A module source that is none.
    INVALID_SOURCE = "SF2023", "Invalid module source";
    /// A module that has not been fetched.
    MODULE_NOT_INSTALLED = "SF2024", "Module not installed";
    /// An override file changes what no other file declares.
    NOTHING_TO_OVERRIDE = "SF2025", "Nothing to override";
    /// JSON that is no configuration.
    INVALID_JSON = "SF2026", "Invalid JSON configuration";
    /// A module source of a kind that streamform does not have.
    UNSUPPORTED_SOURCE = "SF2027", "Unsupported module source";
    /// A module that git could not fetch.
    FETCH_FAILED = "SF2028", "Module could not be fetched";
    /// A relative source or a link that leads out of a fetched repository.
    SOURCE_LEADS_OUT = "SF2029", "Path leads out of the module's repository";
    /// A variable without a value.
    NO_VALUE = "SF2030", "No value for required variable";
    /// A value for a variable that is not declared.
    UNDECLARED_VARIABLE = "SF2031", "Value for undeclared variable";
    /// A value that does not fit the variable.
    INVALID_VALUE = "SF2032", "Invalid value for variable";
    /// A variable file that cannot be used.
    INVALID_VARIABLE_FILE = "SF2033", "Invalid variable file";
    /// A validation rule says no.
    VALIDATION_FAILED = "SF2034", "Variable validation failed";
    /// Deprecated syntax or variable.
    DEPRECATED = "SF2035", "Deprecated";
    /// A provider that does not exist.
    UNKNOWN_PROVIDER = "SF2040", "Unknown provider";
    /// A provider configuration that is not declared, or not passed.
    NO_PROVIDER = "SF2041", "Provider configuration not present";
    /// A provider configuration where one of another provider is needed.
    PROVIDER_MISMATCH = "SF2042", "Wrong provider";
    /// A missing, superfluous or wrong key of a provider configuration.
    PROVIDER_INSTANCE = "SF2043", "Invalid provider instance";
    /// Provider blocks in a module that is repeated.
    PROVIDER_IN_MODULE = "SF2044", "Module has provider blocks";
    /// Settings of a provider that nothing belongs to.
    UNUSED_PROVIDER = "SF2045", "Provider without resource types";
}
