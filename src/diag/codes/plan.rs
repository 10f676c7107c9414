//! Graph and plan (SF3000 and up).

codes! {
    /// Blocks depend on each other in a circle.
    CYCLE = "SF3001", "Dependency cycle";
    /// A `count` or `for_each` that gives no instances.
    BAD_REPETITION = "SF3002", "Invalid count or for_each argument";
    /// A `count` or `for_each` whose instances are known only later.
    UNKNOWN_REPETITION = "SF3003", "Count or for_each argument is not known yet";
    /// A false condition, or one that is no boolean.
    CONDITION = "SF3004", "Condition failed";
    /// An assertion of a `check` block that is false, or cannot be judged.
    CHECK_FAILED = "SF3016", "Check block assertion failed";
    /// An assertion of a `check` block that cannot be judged while planning.
    CHECK_UNKNOWN = "SF3017", "Check block assertion is not known yet";
    /// A root output shows a sensitive value.
    SENSITIVE_OUTPUT = "SF3005", "Output refers to sensitive values";
    /// Two blocks declare one real object.
    SAME_OBJECT = "SF3006", "Object declared twice";
    /// A data source that finds nothing.
    DATA_ABSENT = "SF3007", "Data source not found";
    /// An `import` block that makes no sense.
    BAD_IMPORT = "SF3008", "Invalid import block";
    /// An `import` block whose target no block declares. `validate` accepts it: `plan -generate-config-out` writes that block.
    IMPORT_WITHOUT_BLOCK = "SF3022", "Configuration for import target does not exist";
    /// A plan that destroys what is protected.
    PROTECTED = "SF3009", "Instance cannot be destroyed";
    /// A `timeouts` value that is no duration.
    BAD_TIMEOUT = "SF3010", "Invalid timeout";
    /// A resource type that does not exist.
    UNKNOWN_TYPE = "SF3011", "Unknown resource type";
    /// A plan that loses data without permission.
    DATA_LOSS = "SF3012", "Plan would lose data";
    /// A saved plan that no longer fits.
    STALE = "SF3013", "Saved plan is stale";
    /// A file that is no saved plan.
    NOT_A_PLAN = "SF3014", "Not a saved plan";
    /// A target that selects nothing.
    NO_TARGET = "SF3015", "Target selects nothing";
    /// `create_before_destroy` where old and new have one name.
    COLLIDES = "SF3018", "Create before destroy is not possible";
    /// A `moved` or `removed` block that contradicts what is declared.
    STATEMENT = "SF3020", "Invalid moved or removed block";
    /// An ephemeral value where it would be kept.
    EPHEMERAL = "SF3021", "Ephemeral value not allowed";
    /// `-target` or `-exclude` leaves parts of the configuration out.
    TARGETED = "SF3031", "Not everything is planned";
    /// `ignore_changes` names what no configuration can set.
    REDUNDANT = "SF3034", "Redundant ignore_changes element";
    /// Objects that stay but are managed no longer.
    FORGOTTEN = "SF3032", "Objects will no longer be managed";
    /// A move to an address that has an object already.
    MOVE_BLOCKED = "SF3033", "Move to an address that is taken";
    /// A move of which `-target` or `-exclude` leaves one end out.
    MOVE_LEFT_OUT = "SF3035", "Moved object is left out";
    /// `-target` or `-exclude` leaves an object out whose place is destroyed.
    PLACE_LEFT_OUT = "SF3038", "Object is left out of the destruction of its place";
    /// A plan that cannot be saved, as what it needs is a secret that nothing gives again.
    NOT_SAVED = "SF3040", "Plan cannot be saved";
    /// Flags that contradict each other: one object is both chosen and excluded.
    CONTRADICTION = "SF3039", "Object is both chosen and excluded";
    /// An object lives in what a data source found whose block is gone.
    PLACE_GONE = "SF3041", "Place is not in the configuration";
    /// What objects live in does not run, so that they were not read.
    NOT_LOOKED_AT = "SF3042", "Objects were not looked at";
    /// Two records of the state hold one real object.
    SAME_RECORD = "SF3037", "Object recorded twice";
    /// The name of a real object comes from a sensitive value.
    SENSITIVE_NAME = "SF3036", "Name of an object is sensitive";
}
