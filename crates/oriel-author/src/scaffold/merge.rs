//! One source of several: each template is a whole entry file, so that it reads and builds on its own.

use oriel_model::manifest::Language;

/// Names taken from one module: `from MODULE import NAMES`.
struct Import {
    module: String,
    names: Vec<String>,
}

/// The entry file that contributes what each of `sources` does.
pub(super) fn sources(language: Language, sources: &[&str]) -> String {
    let [source] = sources else { return merge(language, sources) };
    (*source).to_owned()
}

fn merge(language: Language, sources: &[&str]) -> String {
    let mut imports: Vec<Import> = Vec::new();
    let mut bodies: Vec<String> = Vec::new();
    // What JavaScript hands over in one object.
    let mut fields: Vec<&str> = Vec::new();
    for source in sources {
        let mut body = String::new();
        let mut head = true;
        for line in source.lines() {
            head &= line.is_empty() || import(language, line).is_some();
            if head {
                if let Some(found) = import(language, line) {
                    add(&mut imports, found);
                }
            } else if let Some(field) = line.strip_prefix("export default extension({ ") {
                fields.push(field.trim_end_matches(" });"));
            } else {
                body.push_str(line);
                body.push('\n');
            }
        }
        bodies.push(body.trim_end().to_owned());
    }
    let mut text = head(language, imports);
    let gap = if language == Language::Python { "\n\n\n" } else { "\n\n" };
    text.push_str(gap);
    text.push_str(&bodies.join(gap));
    text.push('\n');
    if language == Language::Javascript {
        let fields: String = fields.iter().map(|field| format!("  {field},\n")).collect();
        text.push_str(&format!("\nexport default extension({{\n{fields}}});\n"));
    }
    text
}

/// An import, if the line is one in the form that the templates have.
fn import(language: Language, line: &str) -> Option<Import> {
    let (module, names) = match language {
        Language::Rust => {
            let path = line.strip_prefix("use ")?.strip_suffix(';')?;
            let (module, names) = path.rsplit_once("::")?;
            path.split_once("::{")
                .map_or((module, names), |(module, names)| (module, names.trim_end_matches('}')))
        }
        Language::Python => line.strip_prefix("from ")?.split_once(" import ")?,
        _ => {
            let (names, module) = line.strip_prefix("import { ")?.split_once(" } from ")?;
            (module, names)
        }
    };
    Some(Import {
        module: module.to_owned(),
        names: names.split(", ").map(str::to_owned).collect(),
    })
}

fn add(imports: &mut Vec<Import>, found: Import) {
    let Some(there) = imports.iter_mut().find(|there| there.module == found.module) else {
        imports.push(found);
        return;
    };
    for name in found.names {
        if !there.names.contains(&name) {
            there.names.push(name);
        }
    }
}

/// The imports in the order that the language's formatter gives them.
fn head(language: Language, mut imports: Vec<Import>) -> String {
    imports.sort_by(|a, b| a.module.cmp(&b.module));
    let mut lines = Vec::new();
    for mut import in imports {
        let module = import.module;
        if language == Language::Javascript {
            import.names.sort_by_key(|name| name.to_lowercase());
        } else {
            import.names.sort();
        }
        let names = import.names.join(", ");
        lines.push(match language {
            Language::Rust if import.names.len() == 1 => format!("use {module}::{names};"),
            Language::Rust => wrapped(&module, &import.names),
            Language::Python => format!("from {module} import {names}"),
            _ => format!("import {{ {names} }} from {module}"),
        });
    }
    // Python's own modules stand apart.
    lines.join(if language == Language::Python { "\n\n" } else { "\n" })
}

/// As rustfmt writes it, whose lines have at most 100 columns.
fn wrapped(module: &str, names: &[String]) -> String {
    let line = format!("use {module}::{{{}}};", names.join(", "));
    if line.len() <= 100 {
        return line;
    }
    let mut text = format!("use {module}::{{\n   ");
    let mut width = 3;
    for name in names {
        if width + name.len() + 2 > 100 {
            text.push_str("\n   ");
            width = 3;
        }
        text.push_str(&format!(" {name},"));
        width += name.len() + 2;
    }
    text.push_str("\n};");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn imports_become_one() {
        let check = |language, one: &str, other: &str, wanted: &str| assert_eq!(sources(language, &[one, other]), wanted);
        check(
            Language::Rust,
            "use b::{Error, log};\nuse c::json;\n\nfn a() {}\n",
            "use b::{Result, log};\nuse c::{Map, json};\n\nfn b() {}\n\nfn c() {}\n",
            "use b::{Error, Result, log};\nuse c::{Map, json};\n\nfn a() {}\n\nfn b() {}\n\nfn c() {}\n",
        );
        check(
            Language::Python,
            "from o import log, p\n\n\n@p\ndef a(): ...\n",
            "from d import dataclass\n\nfrom o import V, v\n\n\n@v\ndef b(): ...\n",
            "from d import dataclass\n\nfrom o import V, log, p, v\n\n\n@p\ndef a(): ...\n\n\n@v\ndef b(): ...\n",
        );
        check(
            Language::Javascript,
            "import { extension, log } from \"o\";\n\nfunction a() {}\n\nexport default extension({ programs: { a } });\n",
            "import { extension, Bad } from \"o\";\n\nfunction b() {}\n\nexport default extension({ hooks: { \"b-c\": b } });\n",
            "import { Bad, extension, log } from \"o\";\n\nfunction a() {}\n\nfunction b() {}\n\nexport default extension({\n  programs: { a },\n  \
             hooks: { \"b-c\": b },\n});\n",
        );
        assert_eq!(sources(Language::Rust, &["use a::b;\n"]), "use a::b;\n");
    }
}
