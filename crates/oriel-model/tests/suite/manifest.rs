//! Every file under `fixtures/manifest/good` is accepted by the parser and by the published JSON Schema; every
//! one under `bad` is refused with the text beside it (`NAME.txt`). `UPDATE_EXPECTED=1` writes those texts.

use std::fs;
use std::path::{Path, PathBuf};

use oriel_model::manifest::{self, Diagnostics, Manifest};
use oriel_model::{Coded, ErrorCode};
use serde_json::{Value, json};

fn fixtures(kind: &str) -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/manifest").join(kind);
    let mut files: Vec<PathBuf> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .collect();
    files.sort();
    assert!(files.len() > 2, "{kind}");
    files
}

fn parse(path: &Path) -> Result<(Manifest, manifest::Build), Diagnostics> {
    let directory = path.parent().unwrap().to_owned();
    let resolve = move |name: &str| fs::read_to_string(directory.join(name)).map_err(|error| error.kind().to_string());
    manifest::parse_bytes(&fs::read(path).unwrap(), &resolve)
}

fn refuse(_: &str) -> Result<String, String> {
    Err("there is no directory".to_owned())
}

fn first_error(text: &str) -> Diagnostics {
    manifest::parse(text, &refuse).unwrap_err()
}

fn published() -> jsonschema::Validator {
    jsonschema::draft202012::options()
        .should_validate_formats(true)
        .build(&manifest::json_schema())
        .unwrap()
}

fn as_json(path: &Path) -> Option<Value> {
    toml::from_str(&fs::read_to_string(path).unwrap()).ok()
}

#[test]
fn good_manifests_are_accepted_by_the_parser_and_by_the_schema() {
    let schema = published();
    for path in fixtures("good") {
        let (manifest, _) = parse(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert_eq!(manifest.problems(), [], "{}", path.display());
        let problems: Vec<String> = schema
            .iter_errors(&as_json(&path).unwrap())
            .map(|e| format!("{}: {e}", e.instance_path()))
            .collect();
        assert!(problems.is_empty(), "{}: {problems:#?}", path.display());
        let again: Manifest = serde_json::from_value(serde_json::to_value(&manifest).unwrap()).unwrap();
        assert_eq!(again, manifest, "{}", path.display());
    }
}

#[test]
fn bad_manifests_are_refused_with_every_problem_its_place_and_its_mend() {
    for path in fixtures("bad") {
        let problems = parse(&path).map(|_| ()).unwrap_err();
        let expected = path.with_extension("txt");
        let shown = format!("{}\n{problems}\n", problems.code());
        if std::env::var_os("UPDATE_EXPECTED").is_some() {
            fs::write(&expected, &shown).unwrap();
        }
        assert_eq!(shown, fs::read_to_string(&expected).unwrap(), "{}", path.display());
        assert_eq!(problems.places().unwrap().as_array().unwrap().len(), problems.items.len());
    }
}

#[test]
fn the_full_manifest_is_read_whole() {
    let path = fixtures("good").into_iter().find(|path| path.ends_with("full.toml")).unwrap();
    let (manifest, build) = parse(&path).unwrap();
    let shown = serde_json::to_string_pretty(&manifest).unwrap() + "\n";
    let expected = path.with_extension("json");
    if std::env::var_os("UPDATE_EXPECTED").is_some() {
        fs::write(&expected, &shown).unwrap();
    }
    assert_eq!(shown, fs::read_to_string(expected).unwrap());
    let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    assert_eq!(
        build,
        manifest::Build {
            language: Some(manifest::Language::Javascript),
            entry: Some("src/app.js".to_owned()),
            component: Some("build/out.wasm".to_owned()),
            engine: manifest::Engine::Starlingmonkey,
            wasi: true,
            assets: texts(&["assets", "LICENSE"]),
            command: Some(texts(&["make", "component"])),
            dev: None,
        }
    );
    assert_eq!(
        manifest::Build::default().component_path(&manifest.name),
        "build/flight-delays.wasm"
    );
}

/// A field added to the schema and forgotten in the parser, or the other way round, fails here.
#[test]
fn each_field_of_the_schema_is_read_and_no_other_is_accepted() {
    let schema = published();
    let good = |name: &str| as_json(&fixtures("good").into_iter().find(|path| path.ends_with(name)).unwrap()).unwrap();
    // A service has no component to build, so that no one manifest has every table.
    let (full, remote) = (good("full.toml"), good("remote.toml"));
    let mut both = full.clone();
    both["remote"] = remote["remote"].clone();
    fn walk(shape: &Value, value: &Value, path: &str, tables: &mut Vec<String>) {
        if let Some(properties) = shape["properties"].as_object() {
            tables.push(path.to_owned());
            for (name, shape) in properties {
                assert!(value.get(name).is_some(), "full.toml lacks {path}/{name}");
                assert!(shape["description"].is_string(), "{path}/{name} has no description");
                walk(shape, &value[name], &format!("{path}/{name}"), tables);
            }
        } else if shape["items"].is_object() {
            walk(&shape["items"], &value[0], &format!("{path}/0"), tables);
        }
    }
    let mut tables = Vec::new();
    walk(&manifest::json_schema(), &both, "", &mut tables);
    assert_eq!(
        tables,
        [
            "",
            "/programs/0",
            "/validators/0",
            "/samplers/0",
            "/event_handlers/0",
            "/hooks/0",
            "/jobs/0",
            "/routes/0",
            "/collections/0",
            "/collections/0/indexes/0",
            "/collections/0/access",
            "/permissions",
            "/permissions/model",
            "/limits",
            "/config",
            "/links",
            "/remote",
            "/build"
        ]
    );
    for table in tables {
        let mut with_unknown = if table == "/remote" { remote.clone() } else { full.clone() };
        with_unknown.pointer_mut(&table).unwrap()["surprise"] = json!(1);
        assert!(!schema.is_valid(&with_unknown), "the schema accepts an unknown field in {table}");
        let problems = first_error(&toml::to_string(&with_unknown).unwrap());
        assert!(problems.to_string().contains("unknown field `surprise`"), "{table}: {problems}");
    }
}

#[test]
fn places_count_characters_and_lines_as_editors_do() {
    let base = "version = '0.1.0'\npublisher = 'acme'\nlicense = 'MIT'\nhost_api = '^0.1'\nprograms = [{name = 'x'}]\n";
    let check = |text: &str, line: usize, column: usize| {
        let problems = first_error(text);
        let places: Vec<_> = problems.items.iter().map(|item| (item.line, item.column)).collect();
        assert_eq!(places, [(line, column)], "{text:?}: {problems}");
    };
    check(&format!("{base}description = 'äöü'\nname = 'Ü'"), 7, 8);
    check(&format!("{base}description = 'x'\r\nname = 'Ü'\r\n"), 7, 8);
    check(&format!("{base}name = 'x'\n'ü' = 1 # ü\ndescription = 'x'"), 7, 1);
    check(
        &format!("{base}description = 'x'\nname = 'x'\nlinks = {{ 'ü' = 'y', homepage = 'ü' }}").replace("'ü' = 'y', ", ""),
        8,
        22,
    );
    // Inside a text the exact character, unless escapes hide where it is.
    check(
        &format!("name = 'x'\ndescription = 'x'\n{}", base.replace("'MIT'", "'MIT OR Nope'")),
        5,
        19,
    );
    check(
        &format!("name = 'x'\ndescription = 'x'\n{}", base.replace("'MIT'", "\"\\u004dIT OR Nope\"")),
        5,
        11,
    );
}

#[test]
fn hostile_texts_end_in_an_error() {
    let long = format!("description = \"{}\"", "x".repeat(manifest::MAX_BYTES));
    assert!(first_error(&long).to_string().contains("at most 65536"));

    let nested = format!("a = {}{}", "[".repeat(30_000), "]".repeat(30_000));
    first_error(&nested);
    let dotted = format!("{} = 1", vec!["a"; 30_000].join("."));
    first_error(&dotted);
    // Dotted keys within inline tables multiply: about 6,000 levels without a bound of our own.
    let key = vec!["a"; 78].join(".");
    let both = format!("{}1{}", format!("{key} = {{").repeat(78) + "x = ", "}".repeat(78));
    assert!(first_error(&both).to_string().contains("nests too deeply"));
    let headers: String = (0..800).map(|n| format!("[{}.h{n}]\n", vec!["a"; 30].join("."))).collect();
    first_error(&headers);

    let not_text = manifest::parse_bytes(b"name = \"a\"\nversion = \"\xff\"", &refuse)
        .map(|_| ())
        .unwrap_err();
    assert_eq!((not_text.items[0].line, not_text.items[0].column), (2, 12));
    assert_eq!(not_text.code(), ErrorCode::ManifestInvalid);
}

/// Changes to a good manifest, byte by byte and field by field, never panic, never hang, and answer problems
/// with places inside the text.
#[test]
fn changed_manifests_are_read_or_refused() {
    let sources: Vec<Vec<u8>> = fixtures("good")
        .iter()
        .chain(&fixtures("bad"))
        .map(|path| fs::read(path).unwrap())
        .collect();
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = move |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % u64::try_from(below.max(1)).unwrap()).unwrap()
    };
    const PIECES: [&str; 16] = [
        "\"",
        "'''",
        "[",
        "]]",
        "{",
        "}",
        "=",
        ".",
        "\n",
        "\u{feff}",
        "\\u0000",
        "[limits]\n",
        "1e999",
        "-0",
        "ü",
        "name = 1\n",
    ];
    for round in 0..2_000 {
        let mut text = sources[round % sources.len()].clone();
        for _ in 0..=random(4) {
            let at = random(text.len() + 1);
            match random(4) {
                0 => text.truncate(at),
                1 if at < text.len() => text[at] ^= 1 << random(8),
                2 => drop(text.splice(at..(at + random(40)).min(text.len()), [])),
                _ => drop(text.splice(at..at, PIECES[random(PIECES.len())].bytes())),
            }
        }
        match manifest::parse_bytes(&text, &refuse) {
            Ok((manifest, _)) => assert_eq!(manifest.problems(), []),
            Err(problems) => {
                let lines = text.split(|byte| *byte == b'\n').count();
                assert!(!problems.items.is_empty());
                for item in &problems.items {
                    assert!(item.line >= 1 && item.line <= lines && item.column >= 1, "{problems}");
                    assert!(!item.message.is_empty() && !item.message.contains('\n'), "{problems}");
                }
            }
        }
    }
}

#[test]
fn an_extension_with_routes_starts_anew_for_each_request_unless_it_says_otherwise() {
    let base = "version = \"1.0.0\"\ndescription = \"d\"\npublisher = \"p\"\nlicense = \"Apache-2.0\"\nhost_api = \"^0.1\"\n";
    let (program, route) = ("[[programs]]\nname = \"a\"\n", "[[routes]]\nname = \"a\"\npath = \"/\"\n");
    for (said, contributed, fresh) in [
        ("", program, false),
        ("", route, true),
        ("reuse = \"reuse\"\n", route, false),
        ("reuse = \"fresh\"\n", program, true),
    ] {
        let manifest = manifest::parse(&format!("name = \"x\"\n{base}{said}{contributed}"), &refuse).unwrap();
        assert_eq!(manifest.reuse == manifest::Reuse::Fresh, fresh, "{said}{contributed}");
    }
}
