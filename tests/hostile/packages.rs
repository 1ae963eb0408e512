//! Packages: the guests of `tests/guests` under whatever names and manifests an attack needs.

use oriel_package::{Package, pack};

/// A package to be made.
#[derive(Clone)]
pub(crate) struct Maker {
    guest: &'static str,
    name: String,
    version: String,
    top: String,
    tables: String,
}

/// A package of this guest under this name.
pub(crate) fn maker(guest: &'static str, name: &str) -> Maker {
    Maker {
        guest,
        name: name.to_owned(),
        version: "1.0.0".to_owned(),
        top: String::new(),
        tables: String::new(),
    }
}

/// The guest of this suite, with its store and these programs.
pub(crate) fn mallory(name: &str) -> Maker {
    const PROGRAMS: [&str; 10] = ["stash", "kv", "fill", "log", "fail", "refuse", "raw", "context", "burn", "echo"];
    maker("mallory", name).programs(&PROGRAMS).with("[permissions]\nkey_value = true\n")
}

/// The guest that sends what it is told to.
pub(crate) fn sender(name: &str, permissions: &str) -> Maker {
    const PROGRAMS: [&str; 12] = [
        "call",
        "try",
        "fan",
        "who",
        "spin",
        "sleep",
        "fail",
        "placeholder",
        "send",
        "leak",
        "count",
        "record",
    ];
    // The component imports these, so a manifest has to ask for something of each; nothing is lent by it.
    let mut asked = "[permissions]\n".to_owned();
    for line in permissions.lines() {
        // Its secrets may go nowhere else than where it may go at all.
        match line.strip_prefix("network = [") {
            Some(hosts) => asked.push_str(&format!("network = [\"nowhere.invalid\", {hosts}\n")),
            None => asked.push_str(&format!("{line}\n")),
        }
    }
    for (field, least) in [("network =", "[\"nowhere.invalid\"]"), ("call =", "[\"nobody/nothing\"]")] {
        if !permissions.lines().any(|line| line.starts_with(field)) {
            asked.push_str(&format!("{field} {least}\n"));
        }
    }
    if !permissions.contains("secrets") {
        asked.push_str("secrets = { unset = [\"nowhere.invalid\"] }\n");
    }
    maker("caller", name).programs(&PROGRAMS).with(&asked)
}

/// The guest with one evil per program.
pub(crate) fn hostile(name: &str, programs: &[&str], limits: &str) -> Maker {
    maker("hostile", name)
        .programs(programs)
        .top("lifecycle = true\n")
        .with("[permissions]\nkey_value = true\nnetwork = [\"nowhere.invalid\"]\n")
        .with(&format!("[limits]\n{limits}\n"))
}

/// The guest that answers HTTP; `routes` are tables of the manifest.
pub(crate) fn web(name: &str, routes: &str) -> Maker {
    maker("web", name).with(routes)
}

impl Maker {
    pub(crate) fn programs(self, names: &[&str]) -> Self {
        let tables: String = names.iter().map(|name| format!("[[programs]]\nname = \"{name}\"\n")).collect();
        self.with(&tables)
    }

    /// More tables.
    pub(crate) fn with(mut self, tables: &str) -> Self {
        self.tables.push('\n');
        self.tables.push_str(tables);
        self
    }

    /// More at the top.
    pub(crate) fn top(mut self, text: &str) -> Self {
        self.top.push_str(text);
        self
    }

    pub(crate) fn version(mut self, version: &str) -> Self {
        version.clone_into(&mut self.version);
        self
    }

    pub(crate) fn manifest(&self) -> String {
        format!(
            "name = \"{}\"\nversion = \"{}\"\ndescription = \"For tests.\"\npublisher = \"tests\"\nlicense = \"Apache-2.0\"\n\
             host_api = \"^0.1\"\n{}{}",
            self.name, self.version, self.top, self.tables
        )
    }

    pub(crate) fn pack(&self) -> Vec<u8> {
        let text = self.manifest();
        let manifest = oriel_model::manifest::parse(&text, &|path| Err(format!("no file {path}")));
        let package = Package {
            manifest: manifest.unwrap_or_else(|error| panic!("{error}\n{text}")),
            component: Some(oriel_test_guests::component(self.guest)),
            readme: None,
            assets: Vec::new(),
            sbom: None,
        };
        pack(&package).unwrap().bytes
    }
}
