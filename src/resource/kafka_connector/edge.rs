//! Reading connectors: one list per Connect cluster, whatever the number of resources; a missing one is asked for before it counts as gone.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::super::{Discovered, Observed, Private, ReadRequest, Session, Verb};
use super::model;
use crate::addr::InstanceAddr;
use crate::client::connect::{ConnectClient, ConnectConnection, ConnectError, ConnectPool, Connector, ConnectorStatus, Patience};
use crate::diag::Diagnostic;
use crate::diag::codes::connect as codes;
use crate::diag::redact::Redactor;
use crate::value::Value;

/// How long a read waits for a rebalance to end.
const READ_LIMIT: Duration = Duration::from_secs(60);
/// A larger file in a mounted folder holds no settings.
const MOUNTED_LIMIT: u64 = 1 << 20;

/// The client for this connection.
pub(super) fn client(cx: &Session, connection: &ConnectConnection) -> Result<Arc<ConnectClient>, Diagnostic> {
    cx.pool::<ConnectPool>().client(connection).map_err(|e| e.diagnostic(&Redactor::default()))
}

/// [`model::redactor`], also of what lies in the folders of the mounted secrets: the state has only digests of it, and a secret that is generated
/// or that this run leaves out stands in no configuration. On other engines than `local` these folders are not here, and the contents cannot
/// be known.
pub(super) fn redactor<'a>(objects: impl IntoIterator<Item = &'a Value>) -> Redactor {
    let objects: Vec<&Value> = objects.into_iter().collect();
    let mut folders: Vec<String> = objects.iter().flat_map(|o| model::real_folders(o)).collect();
    folders.sort();
    folders.dedup();
    let entries = folders.iter().filter_map(|dir| std::fs::read_dir(dir).ok()).flatten().filter_map(Result::ok);
    let files = entries.filter(|e| e.metadata().is_ok_and(|m| m.is_file() && m.len() <= MOUNTED_LIMIT));
    // A file that cannot be read by this user is not one that the workers read either.
    let texts: Vec<String> = files.filter_map(|e| std::fs::read_to_string(e.path()).ok()).collect();
    model::redactor(objects, &texts)
}

/// The items by Connect cluster: indices into `objects`. Those whose cluster's address is not known share a group without one.
pub(super) fn by_connection<'a>(objects: impl IntoIterator<Item = &'a Value>) -> Vec<(Option<ConnectConnection>, Vec<usize>)> {
    let mut groups: Vec<(Option<ConnectConnection>, Vec<usize>)> = vec![];
    for (i, object) in objects.into_iter().enumerate() {
        let connection = model::connection(object);
        match groups.iter_mut().find(|(c, _)| *c == connection) {
            Some((_, members)) => members.push(i),
            None => groups.push((connection, vec![i])),
        }
    }
    groups
}

/// The error for a Connect cluster whose address is not known.
pub(super) fn no_address(object: &Value) -> Diagnostic {
    let connect = object.get("connect");
    let name = connect.as_ref().and_then(Value::origin).map_or("the Connect cluster".to_string(), ToString::to_string);
    Diagnostic::error(codes::ADDRESS_UNKNOWN, format!("The address of {name} is not known, so this connector cannot be reached."))
        .hint("Apply the Connect cluster first; if it was removed by hand, remove the connector from the state.")
}

/// The error for a Connect cluster that is not the one of the record, if it is not.
pub(super) fn other_cluster(private: &Private, live: &str) -> Option<Diagnostic> {
    let recorded = model::Recorded::of(private).kafka_cluster_id.filter(|id| !id.is_empty() && id != live)?;
    let detail =
        format!("This connector was made on a Connect cluster of the Kafka cluster {recorded}, but the one that answers is of {live}.");
    Some(
        Diagnostic::error(codes::CLUSTER_CHANGED, detail)
            .hint("Check the URL. If the move is meant, remove the connector from the state first."),
    )
}

/// Reads many.
pub(super) async fn read(cx: &Session, requests: Vec<ReadRequest>) -> Vec<Result<Observed, Diagnostic>> {
    let groups = by_connection(requests.iter().map(|r| &r.prior));
    let reads = groups.iter().map(|(connection, members)| read_group(cx, connection.as_ref(), members, &requests));
    let mut out: Vec<(usize, Result<Observed, Diagnostic>)> = futures::future::join_all(reads).await.into_iter().flatten().collect();
    out.sort_by_key(|(i, _)| *i);
    out.into_iter().map(|(_, r)| r).collect()
}

async fn read_group(
    cx: &Session,
    connection: Option<&ConnectConnection>,
    members: &[usize],
    requests: &[ReadRequest],
) -> Vec<(usize, Result<Observed, Diagnostic>)> {
    let all = |d: &Diagnostic| members.iter().map(|i| (*i, Err(d.clone().on(&requests[*i].addr)))).collect();
    let Some(connection) = connection else {
        return members.iter().map(|i| (*i, Err(no_address(&requests[*i].prior).on(&requests[*i].addr)))).collect();
    };
    let (client, live) = match list(cx, connection, requests.get(members[0]).map(|r| &r.addr)).await {
        Ok(found) => found,
        Err(d) => return all(&d),
    };
    let mut out = vec![];
    for i in members {
        out.push((*i, read_one(&client, &live, &requests[*i]).await.map_err(|d| d.on(&requests[*i].addr))));
    }
    out
}

/// What lives on one Connect cluster.
pub(super) struct Live {
    /// The id of its Kafka cluster.
    pub cluster_id: String,
    /// Its connectors.
    pub connectors: BTreeMap<String, Connector>,
}

/// Lists a Connect cluster. Notes go to `addr`.
pub(super) async fn list(
    cx: &Session,
    connection: &ConnectConnection,
    addr: Option<&InstanceAddr>,
) -> Result<(Arc<ConnectClient>, Live), Diagnostic> {
    let client = client(cx, connection)?;
    let note = |text: &str| {
        if let Some(addr) = addr {
            cx.progress.note(addr, text);
        }
    };
    let patience = Patience { until: tokio::time::Instant::now() + READ_LIMIT, note: &note };
    let plain = |e: ConnectError| e.diagnostic(&Redactor::default());
    let cluster_id = client.root(&patience).await.map_err(plain)?.kafka_cluster_id.clone();
    let connectors = client.connectors(&patience).await.map_err(plain)?;
    Ok((client, Live { cluster_id, connectors }))
}

async fn read_one(client: &ConnectClient, live: &Live, request: &ReadRequest) -> Result<Observed, Diagnostic> {
    if let Some(d) = other_cluster(&request.private, &live.cluster_id) {
        return Err(d);
    }
    let intent = request.doubt.as_ref().map(|d| &d.intent);
    // After an operation in doubt it may be what was recorded or what was to be.
    let mut names: Vec<String> = [Some(&request.prior), intent].into_iter().flatten().filter_map(|v| v.get_str("name")).collect();
    names.dedup();
    if names.is_empty() {
        // Older versions kept only the digest of a sensitive name. While the block is there it is filled in by the plan.
        return Ok(Observed::present(request.prior.clone(), request.private.clone()));
    }
    let mut found = None;
    for name in names {
        found = match live.connectors.get(&name) {
            Some(connector) => Some((name, connector.clone())),
            None => find(client, &name).await?.map(|connector| (name, connector)),
        };
        if found.is_some() {
            break;
        }
    }
    let Some((name, found)) = found else { return Ok(Observed::Absent) };
    let sensitive = sensitive_keys(request, &found);
    let value = model::observed_in_doubt(&request.prior, intent, &name, &found, &sensitive);
    Ok(Observed::present(value, model::private(&live.cluster_id, &sensitive, Some(&found.status))))
}

/// The keys of `sensitive_config`, by the record and by an operation in doubt. The state keeps only a digest of the whole map.
fn sensitive_keys(request: &ReadRequest, live: &Connector) -> BTreeSet<String> {
    let recorded = model::Recorded::of(&request.private).sensitive_keys;
    let mut keys = if recorded.is_empty() { model::sensitive_keys(&request.prior) } else { recorded };
    let Some(doubt) = &request.doubt else { return keys };
    keys.extend(model::sensitive_keys(&doubt.intent));
    let written = |key: &str| doubt.ops.iter().any(|o| o.part == model::path("sensitive_config", key));
    // What a creation wrote beside its `config` was `sensitive_config`.
    let hidden = doubt.verb == Verb::Create && doubt.intent.get("sensitive_config").is_some_and(|v| !v.is_known());
    let config = doubt.intent.get("config");
    let beside = |key: &str| hidden && model::argument_of(key).is_none() && config.as_ref().and_then(|c| c.get(key)).is_none();
    keys.extend(live.info.config.keys().filter(|k| written(k) || beside(k)).cloned());
    keys
}

/// The error for a connector whose name the state does not tell.
pub(super) fn no_name(addr: &InstanceAddr) -> Diagnostic {
    let detail = format!("The name of {addr} is not known: it came from a sensitive value, of which the state keeps only a digest.");
    Diagnostic::error(codes::INVALID_ARGUMENT, detail).on(addr).hint(format!(
        "Put its block back, so that the name is known again. Or delete the connector in Kafka Connect yourself, then run: streamform state rm \
         '{addr}'"
    ))
}

/// A connector that the list does not have: gone, or without a state as yet.
async fn find(client: &ConnectClient, name: &str) -> Result<Option<Connector>, Diagnostic> {
    let patience = Patience::quiet(READ_LIMIT);
    let info = client.find(name, &patience).await.map_err(|e| e.diagnostic(&Redactor::default()))?;
    Ok(info.map(|info| Connector { info, status: ConnectorStatus::unassigned() }))
}

/// Finds one connector by its name.
pub(super) async fn import(cx: &Session, id: &str, config: Option<&Value>) -> Result<(Value, Private), Diagnostic> {
    let missing = || {
        Diagnostic::error(codes::ADDRESS_UNKNOWN, format!("The connector {id:?} cannot be looked for: no Connect cluster is named."))
            .hint("Write the resource block with its connect argument, then import again.")
    };
    let config = config.ok_or_else(missing)?;
    let connection = model::connection(config).ok_or_else(|| no_address(config))?;
    let (client, live) = list(cx, &connection, None).await?;
    let connector = match live.connectors.get(id) {
        Some(connector) => Some(connector.clone()),
        None => find(&client, id).await?,
    };
    let Some(connector) = connector else { return Err(not_there(id, &live)) };
    let sensitive = model::sensitive_keys(config);
    let value = model::observed(&config_only(config), id, &connector, &sensitive);
    Ok((value, model::private(&live.cluster_id, &sensitive, Some(&connector.status))))
}

/// Of a configuration, what an imported object takes over: everything else comes from Connect.
fn config_only(config: &Value) -> Value {
    let keep = ["connect", "pause", "restart_policy", "config", "sensitive_config"];
    Value::object_from(keep.into_iter().filter_map(|k| Some((k, config.get(k)?))))
}

fn not_there(id: &str, live: &Live) -> Diagnostic {
    let names: Vec<&str> = live.connectors.keys().map(String::as_str).collect();
    let hint = match crate::diag::did_you_mean(id, names.iter().copied()) {
        Some(near) => format!("Did you mean {near:?}?"),
        None if names.is_empty() => "This Connect cluster has no connectors.".to_string(),
        None => format!(
            "There are: {}{}.",
            names.iter().take(10).copied().collect::<Vec<_>>().join(", "),
            if names.len() > 10 { ", …" } else { "" }
        ),
    };
    Diagnostic::error(codes::NOT_FOUND, format!("There is no connector {id:?} on this Connect cluster.")).hint(hint)
}

/// All connectors of a Connect cluster.
pub(super) async fn discover(cx: &Session, parent: &Value) -> Result<Vec<Discovered>, Diagnostic> {
    let prior = Value::object_from([("connect", parent.clone())]);
    let connection = model::connection(&prior).ok_or_else(|| no_address(&prior))?;
    let (_, live) = list(cx, &connection, None).await?;
    let found = live.connectors.iter().map(|(name, connector)| {
        let class = connector.info.config.get("connector.class").cloned().unwrap_or_default();
        Discovered {
            id: name.clone(),
            label: format!("connector {name} ({})", class.rsplit('.').next().unwrap_or_default()),
            attributes: model::observed(&prior, name, connector, &Default::default()),
            private: model::private(&live.cluster_id, &Default::default(), Some(&connector.status)),
        }
    });
    Ok(found.collect())
}
