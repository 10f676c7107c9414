//! The storage of a node: formatted once, before the node's first start.
//!
//! Kafka's tool writes `bootstrap.checkpoint` and then `meta.properties`, each whole or not at all. Without the second the tool begins anew,
//! whatever it finds. What bears another cluster's id is removed only while it holds no more than the tool itself writes.

use std::path::Path;

use super::{Cluster, Launch, Layout, Node};
use crate::diag::Diagnostic;
use crate::diag::codes::engine as codes;
use crate::disk::private::{file_error, private_dir, read_optional, remove_dir};

/// The files that the tool writes, also under their temporary names.
const FORMAT_FILES: &[&str] = &["meta.properties", "meta.properties.tmp", "bootstrap.checkpoint", "bootstrap.checkpoint.tmp", ".lock"];

impl Cluster {
    /// Formats the storage of a node, unless that is done.
    ///
    /// # Errors
    /// When it holds data of another cluster, or the tool fails.
    pub(super) async fn format(&self, layout: &Layout, node: &Node, launch: &Launch) -> Result<(), Diagnostic> {
        let data = self.data(node);
        if let Some(text) = read_optional(&data.join("meta.properties"))? {
            let found = cluster_id(&text);
            if found == Some(&layout.cluster_id) {
                return Ok(());
            }
            if let Some(other) = other_content(&data)? {
                return Err(foreign(&data, found, &layout.cluster_id, &other));
            }
            remove_dir(&data)?;
        }
        private_dir(&data)?;
        let file = self.settings_file(node).display().to_string();
        let args = ["format", "--ignore-formatted", "-t", &layout.cluster_id, "-c", &file];
        let output = launch.tool(&self.dir, &format!("format-{}", node.file()), "kafka.tools.StorageTool", &args).await?;
        output.map(drop).map_err(|said| {
            Diagnostic::error(codes::PROCESS_DIED, format!("The storage of {} cannot be formatted: {said}", node.label())).hint(format!(
                "Its settings are in {}, and its logs come to {}.",
                file,
                self.dir.join("logs").display()
            ))
        })
    }
}

/// The id in a `meta.properties`. Ids need no escapes there.
fn cluster_id(text: &str) -> Option<&str> {
    text.lines().find_map(|l| l.strip_prefix("cluster.id=")).map(str::trim).filter(|id| !id.is_empty())
}

/// The name of something in the folder that the tool did not write.
fn other_content(data: &Path) -> Result<Option<String>, Diagnostic> {
    let failed = |e: std::io::Error| file_error("read", data, &e);
    for entry in std::fs::read_dir(data).map_err(failed)? {
        let name = entry.map_err(failed)?.file_name().to_string_lossy().into_owned();
        if !FORMAT_FILES.contains(&name.as_str()) {
            return Ok(Some(name));
        }
    }
    Ok(None)
}

fn foreign(data: &Path, found: Option<&str>, wanted: &str, other: &str) -> Diagnostic {
    let whose = found.map_or("which names no cluster id".into(), |id| format!("which belongs to the cluster with the id {id}"));
    let detail = format!(
        "The folder \"{}\" has a meta.properties {whose}. This cluster's id is {wanted}. The folder also holds \"{other}\", so streamform does not format it.",
        data.display()
    );
    Diagnostic::error(codes::FOREIGN_DATA, detail).hint("Move the folder away if its data is not needed, then apply again.")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    const ID: &str = "AAAAAAAAAAAAAAAAAAAAAA";

    /// A cluster whose tool only notes that it was called.
    struct Lab {
        dir: tempfile::TempDir,
        cluster: Cluster,
        layout: Layout,
    }

    impl Lab {
        fn new() -> Lab {
            let dir = tempfile::tempdir().unwrap();
            let java = dir.path().join("java");
            std::fs::write(&java, format!("#!/bin/sh\necho called >> {}\n", dir.path().join("calls").display())).unwrap();
            std::fs::set_permissions(&java, std::fs::Permissions::from_mode(0o755)).unwrap();
            let mut layout = Layout { cluster_id: ID.into(), ..Layout::new() };
            layout.adapt(&super::super::ClusterSpec { brokers: 1, ..Default::default() }).unwrap();
            let cluster = Cluster::at(dir.path(), "c");
            private_dir(&cluster.data(&layout.nodes[0])).unwrap();
            Lab { dir, cluster, layout }
        }

        fn write(&self, name: &str, text: &str) {
            std::fs::write(self.cluster.data(&self.layout.nodes[0]).join(name), text).unwrap();
        }

        fn files(&self) -> Vec<String> {
            let names = std::fs::read_dir(self.cluster.data(&self.layout.nodes[0])).unwrap();
            let mut names: Vec<String> = names.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
            names.sort();
            names
        }

        /// Formats; whether the tool was called.
        async fn format(&self) -> Result<bool, Diagnostic> {
            let launch = Launch { java: self.dir.path().join("java"), libs: self.dir.path().into() };
            let calls = self.dir.path().join("calls");
            let _ = std::fs::remove_file(&calls);
            self.cluster.format(&self.layout, &self.layout.nodes[0], &launch).await.map(|()| calls.exists())
        }
    }

    #[tokio::test]
    async fn a_formatted_storage_is_left_alone() {
        let lab = Lab::new();
        lab.write("meta.properties", &format!("#\nnode.id=1\nversion=1\ncluster.id={ID}\n"));
        lab.write("bootstrap.checkpoint", "x");
        assert!(!lab.format().await.unwrap());
        assert_eq!(lab.files(), ["bootstrap.checkpoint", "meta.properties"]);
    }

    #[tokio::test]
    async fn a_half_formatted_storage_is_formatted() {
        let lab = Lab::new();
        assert!(lab.format().await.unwrap());
        lab.write("bootstrap.checkpoint", "x");
        lab.write("meta.properties.tmp", "clus");
        assert!(lab.format().await.unwrap());
    }

    #[tokio::test]
    async fn an_id_that_was_never_recorded_is_replaced_while_there_is_no_data() {
        for text in ["cluster.id=other\n", "cluster.id=\n", "", "node.id=1\n"] {
            let lab = Lab::new();
            lab.write("meta.properties", text);
            lab.write("bootstrap.checkpoint", "x");
            assert!(lab.format().await.unwrap(), "{text}");
            assert_eq!(lab.files(), Vec::<String>::new(), "{text}");
        }
    }

    #[tokio::test]
    async fn data_of_another_cluster_stays_and_is_named() {
        let lab = Lab::new();
        lab.write("meta.properties", "cluster.id=other\n");
        std::fs::create_dir(lab.cluster.data(&lab.layout.nodes[0]).join("orders-0")).unwrap();
        let error = lab.format().await.unwrap_err();
        assert_eq!(error.code, codes::FOREIGN_DATA);
        for part in ["other", ID, "orders-0", "broker-1"] {
            assert!(error.detail.contains(part), "{}", error.detail);
        }
        assert_eq!(lab.files(), ["meta.properties", "orders-0"]);
    }
}
