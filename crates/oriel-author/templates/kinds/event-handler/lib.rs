use oriel_extension::{Event, Result, event_handlers, log};
use serde::Deserialize;

#[derive(Deserialize)]
struct Created {
    title: String,
}

fn note(event: Event) -> Result<()> {
    let created: Created = event.json()?;
    log::info!("noted", type = event.kind, title = created.title);
    Ok(())
}

event_handlers! { "note" => note }
