//! State and locks (SF5000 and up).

codes! {
    /// Another process holds the lock.
    LOCKED = "SF5001", "State is locked";
    /// A dead process had left its lock.
    LOCK_FREED = "SF5002", "Lock of a dead process freed";
    /// The store was written by a newer version.
    NEWER_FORMAT = "SF5003", "State format is newer";
    /// The store's files are damaged.
    CORRUPT = "SF5004", "State is damaged";
    /// The folder cannot be written.
    NOT_WRITABLE = "SF5005", "State cannot be written";
    /// The folder cannot be read.
    NOT_READABLE = "SF5006", "State cannot be read";
    /// No room on the disk.
    DISK_FULL = "SF5007", "Disk is full";
    /// Another program has the store open.
    BUSY = "SF5008", "State is in use";
    /// An address that the state does not hold.
    NO_RECORD = "SF5009", "Not in the state";
    /// A target address that is taken.
    OCCUPIED = "SF5010", "Address is taken";
    /// A lock id that is not held.
    NO_LOCK = "SF5011", "No such lock";
    /// A generation that the history does not reach.
    NO_GENERATION = "SF5012", "No such generation";
    /// No store where one is needed.
    NO_STATE = "SF5013", "No state";
    /// An export of another state.
    OTHER_LINEAGE = "SF5014", "Export is of another state";
    /// A record of a type that this program does not have.
    UNKNOWN_TYPE = "SF5015", "State holds an object of an unknown type";
    /// A record with a newer schema version than this program's.
    NEWER_RECORD = "SF5016", "State holds an object of a newer version";
    /// A record with an older schema version that the type cannot upgrade.
    NO_UPGRADE = "SF5017", "State holds an object of a version that is too old";
    /// The state changed below a writer.
    CONFLICT = "SF5018", "State was changed by another process";
    /// The lock was lost while working.
    LOCK_LOST = "SF5019", "Lock was lost";
    /// A value that nests deeper than the state keeps.
    TOO_DEEP = "SF5020", "Value is nested too deeply";
    /// A backend that does not answer.
    NO_ANSWER = "SF5021", "State backend does not answer";
    /// A workspace that does not exist, or cannot be removed.
    NO_WORKSPACE = "SF5022", "No such workspace";
    /// A file that is no export of a state, or not as it was written.
    BAD_EXPORT = "SF5023", "Export cannot be used";
}
