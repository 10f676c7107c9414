//! ACLs and incremental configuration changes through librdkafka's C admin API, which the safe wrapper does not cover.
//!
//! The only file with `unsafe`. Every native object (queue, event, options, bindings, resources) is behind a guard that frees it, every
//! call waits for its answer on a queue of its own until a deadline, and nothing native leaves this file: callers get plain values.
#![allow(unsafe_code)]

use std::ffi::{CStr, CString, c_char};
use std::ptr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::client::ClientContext;
use rdkafka::config::{FromClientConfigAndContext, RDKafkaLogLevel};
use rdkafka::error::{KafkaError as RdError, RDKafkaErrorCode};
use rdkafka::message::DeliveryResult;
use rdkafka::producer::{BaseProducer, Producer, ProducerContext};
use rdkafka_sys as sys;

use super::{AclBinding, AclOperation, AclPattern, AclPermission, AclResource, ConfigOp, ConfigResource, KafkaConnection, KafkaError};
use crate::kill::{self, Moment};

/// How long one wait on a queue lasts before the error callbacks are served again.
const SLICE: Duration = Duration::from_millis(50);
/// What librdkafka writes its own messages into.
const ERROR_TEXT: usize = 512;

/// The same functions as in the bindings, but with the numbers as they are: the bindings declare Rust enums, and a broker may answer with
/// a number that this librdkafka has no name for, which must not become a Rust enum.
mod numbers {
    use rdkafka_sys as sys;

    #[allow(clashing_extern_declarations)]
    unsafe extern "C" {
        #[link_name = "rd_kafka_error_code"]
        pub(super) fn error_code(error: *const sys::rd_kafka_error_t) -> i32;
        #[link_name = "rd_kafka_event_error"]
        pub(super) fn event_error(event: *mut sys::rd_kafka_event_t) -> i32;
        #[link_name = "rd_kafka_ConfigResource_error"]
        pub(super) fn config_resource_error(resource: *const sys::rd_kafka_ConfigResource_t) -> i32;
        #[link_name = "rd_kafka_ConfigResource_type"]
        pub(super) fn config_resource_type(resource: *const sys::rd_kafka_ConfigResource_t) -> i32;
        #[link_name = "rd_kafka_AclBinding_restype"]
        pub(super) fn acl_resource(acl: *const sys::rd_kafka_AclBinding_t) -> i32;
        #[link_name = "rd_kafka_AclBinding_resource_pattern_type"]
        pub(super) fn acl_pattern(acl: *const sys::rd_kafka_AclBinding_t) -> i32;
        #[link_name = "rd_kafka_AclBinding_operation"]
        pub(super) fn acl_operation(acl: *const sys::rd_kafka_AclBinding_t) -> i32;
        #[link_name = "rd_kafka_AclBinding_permission_type"]
        pub(super) fn acl_permission(acl: *const sys::rd_kafka_AclBinding_t) -> i32;
    }
}

/// Keeps librdkafka silent and remembers why it cannot connect.
#[derive(Default)]
struct Listener {
    refusal: Mutex<Option<KafkaError>>,
}

impl ClientContext for Listener {
    fn log(&self, _: RDKafkaLogLevel, _: &str, _: &str) {}

    fn stats(&self, _: rdkafka::Statistics) {}

    fn error(&self, error: RdError, reason: &str) {
        let refusal = match error.rdkafka_error_code() {
            Some(RDKafkaErrorCode::Authentication) => KafkaError::AuthenticationFailed { message: reason.to_string() },
            Some(RDKafkaErrorCode::SSL) => KafkaError::TlsFailed { message: reason.to_string(), hint: None },
            _ => return,
        };
        *self.refusal.lock().unwrap_or_else(PoisonError::into_inner) = Some(refusal);
    }
}

impl ProducerContext for Listener {
    type DeliveryOpaque = ();

    fn delivery(&self, _: &DeliveryResult<'_>, (): ()) {}
}

/// A librdkafka client that is used for admin calls only.
pub(super) struct Native {
    producer: BaseProducer<Listener>,
    addresses: Vec<String>,
    given_up: AtomicBool,
}

impl Native {
    /// A client; nothing is sent before the first call.
    pub(super) fn new(connection: &KafkaConnection) -> Result<Self, KafkaError> {
        let producer = BaseProducer::from_config_and_context(&connection.client_config(), Listener::default())
            .map_err(|e| KafkaError::Connection { message: format!("librdkafka refuses the settings: {e}") })?;
        Ok(Native { producer, addresses: connection.bootstrap_servers.clone(), given_up: AtomicBool::new(false) })
    }

    /// Ends all calls that wait, as interrupted; the client is of no use after that.
    pub(super) fn give_up(&self) {
        self.given_up.store(true, Ordering::SeqCst);
    }

    /// All ACLs. Blocks up to `limit`. `None` stands for one that librdkafka has no words for.
    pub(super) fn describe_acls(&self, limit: Duration) -> Result<Vec<Option<AclBinding>>, KafkaError> {
        let filter = Bindings(vec![any_filter()?]);
        let answer =
            self.call("DescribeAcls", sys::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DESCRIBEACLS, false, limit, |rk, options, queue| {
                // SAFETY: client, filter, options and queue live until the call returns; librdkafka copies the filter.
                unsafe { sys::rd_kafka_DescribeAcls(rk, filter.0[0], options, queue) }
            })?;
        // SAFETY: the event is alive and was asked for by DescribeAcls; the result belongs to it, and so does the array.
        unsafe {
            let result = sys::rd_kafka_event_DescribeAcls_result(answer.0);
            let items = answer.items(result, |r, n| sys::rd_kafka_DescribeAcls_result_acls(r, n))?;
            Ok(items.iter().map(|acl| read_binding(*acl)).collect())
        }
    }

    /// Creates ACLs, results in order. Blocks up to `limit`.
    pub(super) fn create_acls(&self, acls: &[AclBinding], limit: Duration) -> Result<Vec<Result<(), KafkaError>>, KafkaError> {
        let mut native = Bindings::new(acls, sys::rd_kafka_AclBinding_new)?;
        let answer =
            self.call("CreateAcls", sys::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_CREATEACLS, false, limit, |rk, options, queue| {
                // SAFETY: all pointers live until the call returns; librdkafka copies the bindings.
                unsafe { sys::rd_kafka_CreateAcls(rk, native.0.as_mut_ptr(), native.0.len(), options, queue) }
            })?;
        // SAFETY: the event is alive and was asked for by CreateAcls; results and errors belong to it and are only read here.
        let results = unsafe {
            let result = sys::rd_kafka_event_CreateAcls_result(answer.0);
            let items = answer.items(result, |r, n| sys::rd_kafka_CreateAcls_result_acls(r, n))?;
            items.iter().map(|item| self.check(sys::rd_kafka_acl_result_error(*item), "ALTER on the cluster")).collect()
        };
        complete(results, acls.len())
    }

    /// Deletes exactly these ACLs, each result how many matched, in order. Blocks up to `limit`.
    pub(super) fn delete_acls(&self, acls: &[AclBinding], limit: Duration) -> Result<Vec<Result<usize, KafkaError>>, KafkaError> {
        let mut native = Bindings::new(acls, sys::rd_kafka_AclBindingFilter_new)?;
        let answer =
            self.call("DeleteAcls", sys::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DELETEACLS, false, limit, |rk, options, queue| {
                // SAFETY: all pointers live until the call returns; librdkafka copies the filters.
                unsafe { sys::rd_kafka_DeleteAcls(rk, native.0.as_mut_ptr(), native.0.len(), options, queue) }
            })?;
        // SAFETY: the event is alive and was asked for by DeleteAcls; responses, errors and matches belong to it and are only read here.
        let results = unsafe {
            let result = sys::rd_kafka_event_DeleteAcls_result(answer.0);
            let items = answer.items(result, |r, n| sys::rd_kafka_DeleteAcls_result_responses(r, n))?;
            items.iter().map(|item| self.deleted(*item)).collect()
        };
        complete(results, acls.len())
    }

    /// # Safety
    /// `response` must belong to a living event.
    unsafe fn deleted(&self, response: *const sys::rd_kafka_DeleteAcls_result_response_t) -> Result<usize, KafkaError> {
        let what = "ALTER on the cluster";
        // SAFETY: by the contract of this function; the matches belong to the same event.
        unsafe {
            self.check(sys::rd_kafka_DeleteAcls_result_response_error(response), what)?;
            let mut count = 0;
            let matches = sys::rd_kafka_DeleteAcls_result_response_matching_acls(response, &mut count);
            for acl in slice(matches, count) {
                self.check(sys::rd_kafka_AclBinding_error(*acl), what)?;
            }
            Ok(count)
        }
    }

    /// Changes configuration keys of topics (and at most one broker), results in order. Blocks up to `limit`.
    pub(super) fn incremental_alter_configs(
        &self,
        changes: &[(ConfigResource, Vec<ConfigOp>)],
        validate_only: bool,
        limit: Duration,
    ) -> Result<Vec<Result<(), KafkaError>>, KafkaError> {
        let mut native = Resources::new(changes)?;
        let op = sys::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_INCREMENTALALTERCONFIGS;
        let answer = self.call("IncrementalAlterConfigs", op, validate_only, limit, |rk, options, queue| {
            // SAFETY: all pointers live until the call returns; librdkafka copies the resources.
            unsafe { sys::rd_kafka_IncrementalAlterConfigs(rk, native.0.as_mut_ptr(), native.0.len(), options, queue) }
        })?;
        // SAFETY: the event is alive and was asked for by IncrementalAlterConfigs; resources and their texts belong to it and are copied.
        let mut found = unsafe {
            let result = sys::rd_kafka_event_IncrementalAlterConfigs_result(answer.0);
            let items = answer.items(result, |r, n| sys::rd_kafka_IncrementalAlterConfigs_result_resources(r, n))?;
            let read = |item: *const sys::rd_kafka_ConfigResource_t| {
                let key = (numbers::config_resource_type(item), text(sys::rd_kafka_ConfigResource_name(item)));
                (key, (numbers::config_resource_error(item), text(sys::rd_kafka_ConfigResource_error_string(item))))
            };
            items.iter().map(|item| read(*item)).collect::<std::collections::HashMap<_, _>>()
        };
        let outcome = |resource: &ConfigResource| match found.remove(&resource_key(resource)?) {
            Some((0, _)) => Ok(()),
            Some((code, message)) => Err(self.error(code, message, &format!("ALTER_CONFIGS on {resource}"))),
            None => Err(no_answer()),
        };
        Ok(changes.iter().map(|(resource, _)| resource).map(outcome).collect())
    }

    /// Starts a request and waits for its event.
    fn call(
        &self,
        api: &str,
        op: sys::rd_kafka_admin_op_t,
        validate_only: bool,
        limit: Duration,
        start: impl FnOnce(*mut sys::rd_kafka_t, *const sys::rd_kafka_AdminOptions_t, *mut sys::rd_kafka_queue_t),
    ) -> Result<Event, KafkaError> {
        let rk = self.producer.client().native_ptr();
        let options = Options::new(rk, op, validate_only, limit)?;
        // SAFETY: the client is alive; the guard destroys the queue once. An answer that comes later than that is freed by librdkafka.
        let queue = Queue(unsafe { sys::rd_kafka_queue_new(rk) });
        self.refusal(|_| true);
        let counted = kill::request("kafka", if validate_only { "" } else { api });
        counted.at(Moment::Before);
        start(rk, options.0, queue.0);
        counted.at(Moment::Sent);
        let event = self.wait(api, &queue, limit)?;
        counted.at(Moment::Answered);
        // SAFETY: the event is alive; the text is copied before it is freed.
        let (code, message) = unsafe { (numbers::event_error(event.0), text(sys::rd_kafka_event_error_string(event.0))) };
        match code {
            0 => Ok(event),
            ..0 => Err(self.refusal(|_| true).unwrap_or_else(|| self.error(code, message, right(api)))),
            _ => Err(self.error(code, message, right(api))),
        }
    }

    fn wait(&self, api: &str, queue: &Queue, limit: Duration) -> Result<Event, KafkaError> {
        let start = Instant::now();
        // librdkafka ends the request itself at `limit`; the second is for its answer to arrive.
        while start.elapsed() < limit + Duration::from_secs(1) {
            // SAFETY: the queue is alive; a non-null event is ours to destroy, which the guard does.
            let event = unsafe { sys::rd_kafka_queue_poll(queue.0, SLICE.as_millis() as i32) };
            if !event.is_null() {
                return Ok(Event(event));
            }
            if self.given_up.load(Ordering::SeqCst) {
                let message = format!("no broker is left at {}", self.addresses.join(", "));
                return Err(KafkaError::Interrupted { api: api.to_string(), message });
            }
            self.producer.poll(Duration::ZERO);
            // Wrong credentials stay wrong. A TLS failure may be that of a broker that is just restarting: librdkafka tries again.
            if let Some(refusal) = self.refusal(|e| matches!(e, KafkaError::AuthenticationFailed { .. })) {
                return Err(refusal);
            }
        }
        Err(self.refusal(|_| true).unwrap_or(KafkaError::Timeout { api: api.to_string(), after: limit }))
    }

    /// Why librdkafka could not connect, told once.
    fn refusal(&self, which: impl FnOnce(&KafkaError) -> bool) -> Option<KafkaError> {
        self.producer.context().refusal.lock().unwrap_or_else(PoisonError::into_inner).take_if(|e| which(e))
    }

    /// # Safety
    /// `error` must be null or belong to a living event.
    unsafe fn check(&self, error: *const sys::rd_kafka_error_t, what: &str) -> Result<(), KafkaError> {
        if error.is_null() {
            return Ok(());
        }
        // SAFETY: by the contract of this function; the text is copied.
        match unsafe { (numbers::error_code(error), text(sys::rd_kafka_error_string(error))) } {
            (0, _) => Ok(()),
            (code, message) => Err(self.error(code, message, what)),
        }
    }

    /// Negative codes are librdkafka's own.
    fn error(&self, code: i32, message: String, what: &str) -> KafkaError {
        match code {
            -185 | -192 => KafkaError::Interrupted { api: "the admin request".into(), message },
            -195 | -193 | -187 => KafkaError::Unreachable { addresses: self.addresses.clone(), tried: Duration::ZERO, cause: message },
            -169 => KafkaError::AuthenticationFailed { message },
            -181 => KafkaError::TlsFailed { message, hint: None },
            -186 => KafkaError::InvalidRequest { message },
            -165 => KafkaError::Unsupported { api: what.to_string() },
            code => KafkaError::from_code(i16::try_from(code).unwrap_or(i16::MIN), Some(&message), what),
        }
    }
}

/// The right that a whole request needs.
fn right(api: &str) -> &'static str {
    if api == "DescribeAcls" { "DESCRIBE on the cluster" } else { "ALTER on the cluster" }
}

fn no_answer() -> KafkaError {
    KafkaError::InvalidRequest { message: "the broker's answer leaves this item out".into() }
}

fn complete<T>(results: Vec<T>, expected: usize) -> Result<Vec<T>, KafkaError> {
    if results.len() == expected { Ok(results) } else { Err(no_answer()) }
}

struct Queue(*mut sys::rd_kafka_queue_t);

impl Drop for Queue {
    fn drop(&mut self) {
        // SAFETY: made by rd_kafka_queue_new and destroyed only here.
        unsafe { sys::rd_kafka_queue_destroy(self.0) }
    }
}

struct Event(*mut sys::rd_kafka_event_t);

impl Event {
    /// The items of a result of this event; fails when the event is of another kind.
    ///
    /// # Safety
    /// `result` must be null or a result of this event, and `read` its function that returns an array of the event's.
    unsafe fn items<R, T>(
        &self,
        result: *const R,
        read: impl FnOnce(*const R, *mut usize) -> *mut *const T,
    ) -> Result<&[*const T], KafkaError> {
        if result.is_null() {
            return Err(no_answer());
        }
        let mut count = 0;
        let items = read(result, &mut count);
        // SAFETY: by the contract of this function; the slice lives as long as the event.
        Ok(unsafe { slice(items, count) })
    }
}

impl Drop for Event {
    fn drop(&mut self) {
        // SAFETY: came from rd_kafka_queue_poll, not null, and destroyed only here.
        unsafe { sys::rd_kafka_event_destroy(self.0) }
    }
}

/// # Safety
/// `items` must be null or an array of `count` elements that outlives the result.
unsafe fn slice<'a, T>(items: *mut *const T, count: usize) -> &'a [*const T] {
    if items.is_null() || count == 0 {
        return &[];
    }
    // SAFETY: by the contract of this function.
    unsafe { std::slice::from_raw_parts(items, count) }
}

struct Options(*mut sys::rd_kafka_AdminOptions_t);

impl Options {
    fn new(rk: *mut sys::rd_kafka_t, op: sys::rd_kafka_admin_op_t, validate_only: bool, limit: Duration) -> Result<Self, KafkaError> {
        let mut why = [0 as c_char; ERROR_TEXT];
        let limit = i32::try_from(limit.as_millis()).unwrap_or(i32::MAX);
        // SAFETY: the client is alive; the buffer is as long as said; the guard destroys the options.
        let ok = unsafe {
            let options = Options(sys::rd_kafka_AdminOptions_new(rk, op));
            let timeout = sys::rd_kafka_AdminOptions_set_request_timeout(options.0, limit, why.as_mut_ptr(), ERROR_TEXT);
            let ok = timeout as i32 == 0
                && (!validate_only || sys::rd_kafka_AdminOptions_set_validate_only(options.0, 1, why.as_mut_ptr(), ERROR_TEXT) as i32 == 0);
            ok.then_some(options)
        };
        // SAFETY: librdkafka ends what it writes with a zero, and the buffer began as zeros.
        ok.ok_or_else(|| KafkaError::InvalidRequest { message: unsafe { text(why.as_ptr()) } })
    }
}

impl Drop for Options {
    fn drop(&mut self) {
        // SAFETY: made by rd_kafka_AdminOptions_new and destroyed only here.
        unsafe { sys::rd_kafka_AdminOptions_destroy(self.0) }
    }
}

type NewBinding = unsafe extern "C" fn(
    sys::rd_kafka_ResourceType_t,
    *const c_char,
    sys::rd_kafka_ResourcePatternType_t,
    *const c_char,
    *const c_char,
    sys::rd_kafka_AclOperation_t,
    sys::rd_kafka_AclPermissionType_t,
    *mut c_char,
    usize,
) -> *mut sys::rd_kafka_AclBinding_t;

struct Bindings(Vec<*mut sys::rd_kafka_AclBinding_t>);

impl Bindings {
    fn new(acls: &[AclBinding], make: NewBinding) -> Result<Self, KafkaError> {
        let mut all = Bindings(Vec::with_capacity(acls.len()));
        for acl in acls {
            all.0.push(new_binding(acl, make)?);
        }
        Ok(all)
    }
}

impl Drop for Bindings {
    fn drop(&mut self) {
        for acl in &self.0 {
            // SAFETY: every element came from a constructor that gave it to us, and is destroyed only here.
            unsafe { sys::rd_kafka_AclBinding_destroy(*acl) }
        }
    }
}

fn new_binding(acl: &AclBinding, make: NewBinding) -> Result<*mut sys::rd_kafka_AclBinding_t, KafkaError> {
    let (name, principal, host) = (c_text(&acl.name)?, c_text(&acl.principal)?, c_text(&acl.host)?);
    let unknown = || KafkaError::Unsupported { api: format!("{acl} through librdkafka") };
    let (resource, operation) = (native_resource(acl.resource).ok_or_else(unknown)?, native_operation(acl.operation).ok_or_else(unknown)?);
    let (pattern, permission) = (native_pattern(acl.pattern), native_permission(acl.permission));
    let mut why = [0 as c_char; ERROR_TEXT];
    // SAFETY: the texts live during the call and are copied; the buffer is as long as said. `make` is one of librdkafka's constructors.
    let made = unsafe {
        make(resource, name.as_ptr(), pattern, principal.as_ptr(), host.as_ptr(), operation, permission, why.as_mut_ptr(), ERROR_TEXT)
    };
    if made.is_null() {
        // SAFETY: librdkafka ends what it writes with a zero, and the buffer began as zeros.
        return Err(KafkaError::InvalidRequest { message: unsafe { text(why.as_ptr()) } });
    }
    Ok(made)
}

fn any_filter() -> Result<*mut sys::rd_kafka_AclBinding_t, KafkaError> {
    let mut why = [0 as c_char; ERROR_TEXT];
    // SAFETY: null texts mean "any" in a filter; the buffer is as long as said.
    let made = unsafe {
        sys::rd_kafka_AclBindingFilter_new(
            sys::rd_kafka_ResourceType_t::RD_KAFKA_RESOURCE_ANY,
            ptr::null(),
            sys::rd_kafka_ResourcePatternType_t::RD_KAFKA_RESOURCE_PATTERN_ANY,
            ptr::null(),
            ptr::null(),
            sys::rd_kafka_AclOperation_t::RD_KAFKA_ACL_OPERATION_ANY,
            sys::rd_kafka_AclPermissionType_t::RD_KAFKA_ACL_PERMISSION_TYPE_ANY,
            why.as_mut_ptr(),
            ERROR_TEXT,
        )
    };
    // SAFETY: librdkafka ends what it writes with a zero, and the buffer began as zeros.
    if made.is_null() { Err(KafkaError::InvalidRequest { message: unsafe { text(why.as_ptr()) } }) } else { Ok(made) }
}

/// # Safety
/// `acl` must belong to a living event.
unsafe fn read_binding(acl: *const sys::rd_kafka_AclBinding_t) -> Option<AclBinding> {
    let code = |n: i32| i8::try_from(n).ok();
    // SAFETY: by the contract of this function; texts are copied.
    unsafe {
        Some(AclBinding {
            // In librdkafka 4 is the broker, which in ACLs is the cluster; the numbers are the protocol's.
            resource: code(numbers::acl_resource(acl)).and_then(AclResource::from_code)?,
            name: text(sys::rd_kafka_AclBinding_name(acl)),
            pattern: code(numbers::acl_pattern(acl)).and_then(AclPattern::from_code)?,
            principal: text(sys::rd_kafka_AclBinding_principal(acl)),
            host: text(sys::rd_kafka_AclBinding_host(acl)),
            operation: code(numbers::acl_operation(acl)).and_then(AclOperation::from_code)?,
            permission: code(numbers::acl_permission(acl)).and_then(AclPermission::from_code)?,
        })
    }
}

struct Resources(Vec<*mut sys::rd_kafka_ConfigResource_t>);

impl Resources {
    fn new(changes: &[(ConfigResource, Vec<ConfigOp>)]) -> Result<Self, KafkaError> {
        let mut all = Resources(Vec::with_capacity(changes.len()));
        for (resource, ops) in changes {
            let (kind, name) = native_config_resource(resource)?;
            let name = c_text(&name)?;
            // SAFETY: the name lives during the call and is copied.
            let made = unsafe { sys::rd_kafka_ConfigResource_new(kind, name.as_ptr()) };
            if made.is_null() {
                return Err(KafkaError::InvalidRequest { message: format!("{resource} has no usable name") });
            }
            all.0.push(made);
            ops.iter().try_for_each(|op| add_op(made, op))?;
        }
        Ok(all)
    }
}

impl Drop for Resources {
    fn drop(&mut self) {
        for resource in &self.0 {
            // SAFETY: every element came from rd_kafka_ConfigResource_new and is destroyed only here.
            unsafe { sys::rd_kafka_ConfigResource_destroy(*resource) }
        }
    }
}

fn add_op(resource: *mut sys::rd_kafka_ConfigResource_t, op: &ConfigOp) -> Result<(), KafkaError> {
    use sys::rd_kafka_AlterConfigOpType_t::*;
    let (kind, key, value) = match op {
        ConfigOp::Set(k, v) => (RD_KAFKA_ALTER_CONFIG_OP_TYPE_SET, k, Some(v)),
        ConfigOp::Delete(k) => (RD_KAFKA_ALTER_CONFIG_OP_TYPE_DELETE, k, None),
        ConfigOp::Append(k, v) => (RD_KAFKA_ALTER_CONFIG_OP_TYPE_APPEND, k, Some(v)),
        ConfigOp::Subtract(k, v) => (RD_KAFKA_ALTER_CONFIG_OP_TYPE_SUBTRACT, k, Some(v)),
    };
    let (key, value) = (c_text(key)?, value.map(|v| c_text(v)).transpose()?);
    let value = value.as_ref().map_or(ptr::null(), |v| v.as_ptr());
    // SAFETY: the resource is alive, the texts live during the call and are copied; the error is ours and destroyed once.
    unsafe {
        let error = sys::rd_kafka_ConfigResource_add_incremental_config(resource, key.as_ptr(), kind, value);
        if error.is_null() {
            return Ok(());
        }
        let message = text(sys::rd_kafka_error_string(error));
        sys::rd_kafka_error_destroy(error);
        Err(KafkaError::InvalidRequest { message })
    }
}

fn native_config_resource(resource: &ConfigResource) -> Result<(sys::rd_kafka_ResourceType_t, String), KafkaError> {
    match resource {
        ConfigResource::Topic(name) => Ok((sys::rd_kafka_ResourceType_t::RD_KAFKA_RESOURCE_TOPIC, name.clone())),
        ConfigResource::Broker(id) => Ok((sys::rd_kafka_ResourceType_t::RD_KAFKA_RESOURCE_BROKER, id.to_string())),
        other => Err(KafkaError::Unsupported { api: format!("configuration of {other} through librdkafka") }),
    }
}

fn resource_key(resource: &ConfigResource) -> Result<(i32, String), KafkaError> {
    native_config_resource(resource).map(|(kind, name)| (kind as i32, name))
}

/// Whether librdkafka has words for an ACL.
pub(super) fn has_words_for(acl: &AclBinding) -> bool {
    native_resource(acl.resource).is_some() && native_operation(acl.operation).is_some()
}

fn native_resource(resource: AclResource) -> Option<sys::rd_kafka_ResourceType_t> {
    use sys::rd_kafka_ResourceType_t::*;
    Some(match resource {
        AclResource::Topic => RD_KAFKA_RESOURCE_TOPIC,
        AclResource::Group => RD_KAFKA_RESOURCE_GROUP,
        AclResource::Cluster => RD_KAFKA_RESOURCE_BROKER,
        AclResource::TransactionalId => RD_KAFKA_RESOURCE_TRANSACTIONAL_ID,
        AclResource::DelegationToken | AclResource::User => return None,
    })
}

fn native_operation(operation: AclOperation) -> Option<sys::rd_kafka_AclOperation_t> {
    use sys::rd_kafka_AclOperation_t::*;
    Some(match operation {
        AclOperation::All => RD_KAFKA_ACL_OPERATION_ALL,
        AclOperation::Read => RD_KAFKA_ACL_OPERATION_READ,
        AclOperation::Write => RD_KAFKA_ACL_OPERATION_WRITE,
        AclOperation::Create => RD_KAFKA_ACL_OPERATION_CREATE,
        AclOperation::Delete => RD_KAFKA_ACL_OPERATION_DELETE,
        AclOperation::Alter => RD_KAFKA_ACL_OPERATION_ALTER,
        AclOperation::Describe => RD_KAFKA_ACL_OPERATION_DESCRIBE,
        AclOperation::ClusterAction => RD_KAFKA_ACL_OPERATION_CLUSTER_ACTION,
        AclOperation::DescribeConfigs => RD_KAFKA_ACL_OPERATION_DESCRIBE_CONFIGS,
        AclOperation::AlterConfigs => RD_KAFKA_ACL_OPERATION_ALTER_CONFIGS,
        AclOperation::IdempotentWrite => RD_KAFKA_ACL_OPERATION_IDEMPOTENT_WRITE,
        AclOperation::CreateTokens | AclOperation::DescribeTokens => return None,
    })
}

fn native_pattern(pattern: AclPattern) -> sys::rd_kafka_ResourcePatternType_t {
    match pattern {
        AclPattern::Literal => sys::rd_kafka_ResourcePatternType_t::RD_KAFKA_RESOURCE_PATTERN_LITERAL,
        AclPattern::Prefixed => sys::rd_kafka_ResourcePatternType_t::RD_KAFKA_RESOURCE_PATTERN_PREFIXED,
    }
}

fn native_permission(permission: AclPermission) -> sys::rd_kafka_AclPermissionType_t {
    match permission {
        AclPermission::Deny => sys::rd_kafka_AclPermissionType_t::RD_KAFKA_ACL_PERMISSION_TYPE_DENY,
        AclPermission::Allow => sys::rd_kafka_AclPermissionType_t::RD_KAFKA_ACL_PERMISSION_TYPE_ALLOW,
    }
}

fn c_text(s: &str) -> Result<CString, KafkaError> {
    CString::new(s).map_err(|_| KafkaError::InvalidRequest { message: "a name or value holds a zero character".into() })
}

/// # Safety
/// `s` must be null or end with a zero.
unsafe fn text(s: *const c_char) -> String {
    if s.is_null() {
        return String::new();
    }
    // SAFETY: by the contract of this function.
    unsafe { CStr::from_ptr(s) }.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn acl(name: &str) -> AclBinding {
        AclBinding {
            resource: AclResource::Topic,
            name: name.into(),
            pattern: AclPattern::Literal,
            principal: "User:a".into(),
            host: "*".into(),
            operation: AclOperation::Read,
            permission: AclPermission::Allow,
        }
    }

    #[test]
    fn a_broker_that_never_answers_ends_every_call_at_its_deadline() {
        let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = silent.local_addr().unwrap().to_string();
        let native = Native::new(&KafkaConnection { bootstrap_servers: vec![address], ..Default::default() }).unwrap();
        let limit = Duration::from_millis(300);
        let start = Instant::now();
        assert!(native.describe_acls(limit).unwrap_err().is_ambiguous());
        assert!(native.create_acls(&[acl("t")], limit).unwrap_err().is_ambiguous());
        assert!(native.delete_acls(&[acl("t")], limit).unwrap_err().is_ambiguous());
        let change = (ConfigResource::Topic("t".into()), vec![ConfigOp::Set("a".into(), "b".into())]);
        assert!(native.incremental_alter_configs(&[change], false, limit).unwrap_err().is_ambiguous());
        assert!(start.elapsed() < Duration::from_secs(4), "{:?}", start.elapsed());
    }

    #[test]
    fn what_c_cannot_say_is_refused_before_anything_is_sent() {
        assert!(matches!(Bindings::new(&[acl("ok"), acl("a\0b")], sys::rd_kafka_AclBinding_new), Err(KafkaError::InvalidRequest { .. })));
        assert!(!has_words_for(&AclBinding { resource: AclResource::User, ..acl("x") }));
        let group = [(ConfigResource::Group("g".into()), vec![])];
        assert!(matches!(Resources::new(&group), Err(KafkaError::Unsupported { .. })));
    }
}
