//! Who is told which hosts guests contact.

use oriel_model::permissions::Scheme;

/// Is told of each request that a guest may send, before it is sent. Called on the guest's own turn: it must not block.
pub trait Contacts: Send + Sync {
    /// A request goes to this host.
    fn contacted(&self, scheme: Scheme, host: &str, port: u16);
}

/// Is told and forgets.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoContacts;

impl Contacts for NoContacts {
    fn contacted(&self, _: Scheme, _: &str, _: u16) {}
}
