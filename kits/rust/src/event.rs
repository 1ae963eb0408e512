//! Named event handlers.

use serde::de::DeserializeOwned;

use crate::bindings::event_handler::exports::oriel::extension::event_handler as wire;
use crate::error::{Error, Result, Wire, to_wire};
use crate::json::read_part;

/// A CloudEvent, version 1.0.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Event {
    /// Its id, unique for its source.
    pub id: String,
    /// Where it comes from, a URI reference.
    pub source: String,
    /// What happened, such as `order.created` (`type` in CloudEvents).
    pub kind: String,
    /// About what.
    pub subject: Option<String>,
    /// When, in milliseconds since the Unix epoch.
    pub time_ms: Option<u64>,
    /// The media type of the data.
    pub datacontenttype: Option<String>,
    /// The schema of the data, a URI.
    pub dataschema: Option<String>,
    /// Extension attributes in their canonical text form.
    pub attributes: Vec<(String, String)>,
    /// What it carries.
    pub data: Option<Data>,
}

/// What an event carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Data {
    /// JSON, as it came; [`Event::json`] reads it.
    Json(String),
    /// Any other text.
    Text(String),
    /// Anything else.
    Binary(Vec<u8>),
}

impl Event {
    /// The data as `T`.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] when it carries no JSON, or JSON that does not fit.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T> {
        let other = match &self.data {
            Some(Data::Json(text)) => return read_part("event data", text),
            Some(Data::Text(_)) => "text",
            Some(Data::Binary(_)) => "bytes",
            None => "nothing",
        };
        Err(Error::invalid_input(format_args!(
            "event data: expected JSON, and the event carries {other}"
        )))
    }

    /// An extension attribute.
    #[must_use]
    pub fn attribute(&self, name: &str) -> Option<&str> {
        let found = self.attributes.iter().find(|(attribute, _)| attribute == name);
        found.map(|(_, value)| value.as_str())
    }
}

/// Exports event handlers: each name with the function behind it.
///
/// A function takes an [`Event`] and answers `Result<(), Error>`. An error means that the event is delivered again later, unless it
/// is [`Error::InvalidInput`]. What the binding configures is read with [`config::binding`](crate::config::binding).
///
/// ```ignore
/// fn on_order(event: Event) -> Result<()> {
///     let order: Order = event.json()?;
///     …
/// }
///
/// event_handlers! { "on-order" => on_order }
/// ```
///
/// Use it once in a crate; the names are those of `[[event_handlers]]` in extension.toml.
#[macro_export]
macro_rules! event_handlers {
    ($($name:literal => $function:expr),+ $(,)?) => {
        const _: () = {
            struct EventHandlers;

            impl $crate::__private::event_handler::exports::oriel::extension::event_handler::Guest for EventHandlers {
                fn handle(
                    name: $crate::__private::String,
                    event: $crate::__private::event_handler::exports::oriel::extension::event_handler::Event,
                ) -> ::core::result::Result<(), $crate::__private::Wire> {
                    $crate::__private::catch_panics();
                    match name.as_str() {
                        $($name => $crate::__private::handle(event, $function),)+
                        _ => $crate::__private::unknown("event handler", &name),
                    }
                }
            }

            $crate::__private::export_event_handler!(EventHandlers with_types_in $crate::__private::event_handler);
        };
    };
}

/// One call.
#[doc(hidden)]
pub fn handle<F: FnOnce(Event) -> Result<(), Error>>(event: wire::Event, function: F) -> Result<(), Wire> {
    function(Event {
        id: event.id,
        source: event.source,
        kind: event.type_,
        subject: event.subject,
        time_ms: event.time_ms,
        datacontenttype: event.datacontenttype,
        dataschema: event.dataschema,
        attributes: event.attributes,
        data: event.data.map(|data| match data {
            wire::EventData::Json(text) => Data::Json(text),
            wire::EventData::Text(text) => Data::Text(text),
            wire::EventData::Binary(bytes) => Data::Binary(bytes),
        }),
    })
    .map_err(to_wire)
}
