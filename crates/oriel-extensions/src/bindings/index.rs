//! What is bound to which point of one tenant, ready to be looked up. Made anew with each change, never altered.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicI64;

use oriel_model::binding::{Binding, BindingKind, EVERY_TASK};
use oriel_model::id::TaskId;
use oriel_store::Versioned;
use serde_json::Value;

use super::point;
use crate::dispatch::Slot;

/// A binding that takes part.
pub(super) struct Entry {
    pub(super) binding: Arc<Binding>,
    /// Its configuration, as the guest reads it.
    pub(super) config: Arc<str>,
    pub(super) slot: Arc<Slot>,
    /// Until when, in milliseconds, nobody need ask again whether its extension is installed: it was not.
    pub(super) absent: AtomicI64,
}

type List = Vec<Arc<Entry>>;

/// The index. Each list is in the order in which its bindings take part.
#[derive(Default)]
pub(super) struct Index {
    /// As of which version of the tenant's bindings.
    pub(super) version: u64,
    /// How many bindings the tenant has, those that are switched off included.
    pub(super) count: usize,
    hooks: HashMap<Box<str>, List>,
    every_task: List,
    tasks_by_id: HashMap<TaskId, List>,
    tasks_by_name: HashMap<Box<str>, List>,
    events: HashMap<Box<str>, List>,
    event_globs: Vec<(Box<str>, Arc<Entry>)>,
}

impl Index {
    pub(super) fn new(all: Versioned<Binding>, mut slot: impl FnMut(&Binding) -> Arc<Slot>) -> Self {
        let mut index = Self {
            version: all.version,
            count: all.items.len(),
            ..Self::default()
        };
        let mut bindings: Vec<Binding> = all.items.into_iter().filter(|binding| binding.terms.enabled).collect();
        bindings.sort_by(Binding::order);
        for binding in bindings {
            let entry = Arc::new(Entry {
                config: Value::Object(binding.terms.config.clone()).to_string().into(),
                slot: slot(&binding),
                absent: AtomicI64::new(i64::MIN),
                binding: Arc::new(binding),
            });
            index.add(entry);
        }
        index
    }

    fn add(&mut self, entry: Arc<Entry>) {
        let point = entry.binding.point.as_str();
        match entry.binding.kind {
            BindingKind::Hook => self.hooks.entry(point.into()).or_default().push(entry),
            BindingKind::EventHandler if point.contains('*') => self.event_globs.push((point.into(), entry)),
            BindingKind::EventHandler => self.events.entry(point.into()).or_default().push(entry),
            BindingKind::Validator | BindingKind::Sampler if point == EVERY_TASK => self.every_task.push(entry),
            BindingKind::Validator | BindingKind::Sampler => match point.parse() {
                Ok(id) => self.tasks_by_id.entry(id).or_default().push(entry),
                Err(_) => self.tasks_by_name.entry(point.into()).or_default().push(entry),
            },
        }
    }

    pub(super) fn hook(&self, name: &str) -> List {
        if self.hooks.is_empty() {
            return Vec::new();
        }
        self.hooks.get(name).cloned().unwrap_or_default()
    }

    /// Nothing is hashed that no binding names so: a tenant whose bindings name tasks by name costs one look, one without
    /// bindings to tasks none.
    pub(super) fn task(&self, id: TaskId, name: &str) -> List {
        let by_id = (!self.tasks_by_id.is_empty()).then(|| self.tasks_by_id.get(&id)).flatten();
        let by_name = (!self.tasks_by_name.is_empty()).then(|| self.tasks_by_name.get(name)).flatten();
        let lists = [Some(&self.every_task), by_id, by_name];
        merged(lists.into_iter().flatten().flatten())
    }

    /// What concerns a task's executions: its validators and samplers, and the handlers of these hooks; nothing where nothing
    /// does.
    pub(super) fn around(&self, id: TaskId, name: &str, hooks: [&str; 3]) -> Option<(List, [List; 3])> {
        if self.count == 0 {
            return None;
        }
        let task = self.task(id, name);
        let hooks = hooks.map(|hook| self.hook(hook));
        (!task.is_empty() || hooks.iter().any(|list| !list.is_empty())).then_some((task, hooks))
    }

    pub(super) fn event(&self, kind: &str) -> List {
        let exact = (!self.events.is_empty()).then(|| self.events.get(kind)).flatten();
        let globs = self.event_globs.iter().filter(|(glob, _)| point::matches(glob, kind));
        merged(exact.into_iter().flatten().chain(globs.map(|(_, entry)| entry)))
    }
}

fn merged<'a>(entries: impl Iterator<Item = &'a Arc<Entry>>) -> List {
    let mut all: List = entries.cloned().collect();
    if all.len() > 1 {
        all.sort_by(|one, other| one.binding.order(&other.binding));
    }
    all
}
