//! Places that another block leads to: a cluster whose data source has another name now, or that is reached by a data source and no longer
//! managed. The objects in it stay where they are, and only their records change.

use std::collections::BTreeSet;

use super::{Pending, Walker};
use crate::addr::{InstanceAddr, Mode};
use crate::diag::Diagnostic;
use crate::diag::codes::plan as codes;
use crate::plan::objects::place_of;
use crate::resource::kafka_common::with;
use crate::resource::{Place, Private, ResourceType, registry};
use crate::value::Value;

impl Walker<'_> {
    /// The object as living in the place that the configuration names, if both blocks lead to one real system.
    pub(super) fn rehomed(&self, p: &Pending<'_>, prior: &Value, private: &Private) -> Option<Value> {
        let attr = p.resource.lives_in()?;
        let (old, new) = (prior.get(attr)?, p.config.get(attr)?);
        let elsewhere = new.origin().is_some() && old.origin() != new.origin();
        (elsewhere && is_same_place(p.resource, attr, prior, private, &new)).then(|| with(prior, vec![(attr, new)]))
    }

    /// Whether the record of an object names another place than its block does.
    pub(super) fn is_recorded_elsewhere(&self, addr: &InstanceAddr, resource: &dyn ResourceType, object: &Value) -> bool {
        self.known.get(addr).is_some_and(|k| place_of(resource, &k.record.attributes) != place_of(resource, object))
    }

    /// What leads now to the place of a data source whose block is gone.
    pub(super) fn moved_place(&self, addr: &InstanceAddr) -> Option<Value> {
        if self.node_of(&addr.resource).is_some() {
            return None;
        }
        let inside = self.known.iter().find_map(|(a, k)| {
            let resource = registry::find_in(self.inputs.types, Mode::Managed, &a.resource.type_name)?;
            (*place_of(resource, &k.record.attributes)? == *addr).then_some((resource, resource.lives_in()?, &k.record))
        });
        let (resource, attr, record) = inside?;
        let mut places = self.world.instances_of(&addr.resource.type_name);
        places.find(|place| is_same_place(resource, attr, &record.attributes, &record.private, place))
    }

    /// The error for an object that lives in a data source whose block is gone: nothing says how to reach it.
    pub(super) fn place_is_gone(&self, addr: &InstanceAddr, resource: &dyn ResourceType, object: &Value) -> Option<Diagnostic> {
        let place = place_of(resource, object).filter(|p| p.resource.mode == Mode::Data && self.node_of(&p.resource).is_none())?;
        let detail = format!("{addr} lives in {place}, which is not in the configuration, so nothing says how to connect to it.");
        let hint = format!(
            "Restore the block until its objects are deleted, or refer to the same cluster by another block. To forget the object: streamform state rm '{addr}'."
        );
        Some(Diagnostic::error(codes::PLACE_GONE, detail).on(addr).hint(hint))
    }
}

/// Whether an object would live in the same real system with another place: both must tell their ids.
fn is_same_place(resource: &dyn ResourceType, attr: &'static str, prior: &Value, private: &Private, place: &Value) -> bool {
    let places = |object: &Value, private: &Private| -> BTreeSet<Place> {
        resource.holds(object, private).into_iter().map(|h| h.key.place).collect()
    };
    let was = places(prior, private);
    !was.is_empty() && was.iter().all(Place::has_id) && was == places(&with(prior, vec![(attr, place.clone())]), &Private::Null)
}
