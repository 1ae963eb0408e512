use super::*;

fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

fn load(flags: &[(&str, &str)], env: &[(&str, &str)], file: &str) -> Result<Config, ConfigError> {
    Config::from_sources(&map(flags), &map(env), Some((Path::new("oriel.toml"), file)))
}

#[test]
fn a_flag_wins_over_the_environment_over_the_file_over_the_default() {
    let file = "max_in_flight = 1\nmax_connections = 1\nmax_body = \"1KiB\"\n[retention]\nlogs = \"1h\"\n[limits]\nmemory = \"128MiB\"\nqueue = 7\n";
    let env = [
        ("ORIEL_MAX_IN_FLIGHT", "2"),
        ("ORIEL_MAX_CONNECTIONS", "2"),
        ("ORIEL_LIMITS_QUEUE", "8"),
    ];
    let config = load(&[("max_in_flight", "3")], &env, file).unwrap();
    assert_eq!(
        (config.max_in_flight, config.max_connections, config.max_body),
        (3, 2, ByteSize(1024))
    );
    assert_eq!(config.retention_logs.to_string(), "1h");
    assert_eq!((config.limits.memory, config.limits.queue), (ByteSize(128 << 20), 8));
    assert_eq!(config.max_package, Config::default().max_package);
    assert_eq!(config.database_url(), "sqlite:oriel-data/oriel.db");
}

#[test]
fn every_wrong_name_and_value_is_named_with_its_place() {
    for (file, expected) in [
        (
            "lisen = \"x\"",
            "oriel.toml:1:1: there is no setting `lisen`; did you mean `listen`?",
        ),
        (
            "\n[retention]\nlog = \"1h\"",
            "oriel.toml:3:1: there is no setting `retention.log`; did you mean `retention.logs`?",
        ),
        (
            "max_body = \"1 mile\"",
            "oriel.toml:1:12: `max_body`: `1 mile` is not a size such as 512KiB or 64MiB",
        ),
        ("listen = [1]", "oriel.toml:1:10: `listen` cannot be of type array"),
        ("[limits]\nmemory = true", "oriel.toml:2:10: `limits.memory`: `true` is not a size"),
        ("config = \"x\"", "oriel.toml:1:1: there is no setting `config`"),
        ("a = ", "oriel.toml:1:"),
        ("max_in_flight = 0", "`max_in_flight`: it must not be 0"),
        ("database = \"mysql://x\"", "`database`: it must start with"),
    ] {
        let error = load(&[], &[], file).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{file}: {error}");
    }
    let error = load(&[], &[("ORIEL_LISTN", "x")], "").unwrap_err().to_string();
    assert_eq!(error, "ORIEL_LISTN: there is no such setting; did you mean `ORIEL_LISTEN`?");
    let error = load(
        &[("log_format", "xml")],
        &[("ORIEL_RECORDING", "maybe"), ("ORIEL_URL", "http://x")],
        "",
    )
    .unwrap_err();
    assert_eq!(
        error.to_string(),
        "ORIEL_RECORDING: `maybe` is not `true` or `false`\n--log-format: `xml` should be one of `text` `json`"
    );
}

#[test]
fn every_default_is_a_value_that_can_be_set() {
    for setting in settings() {
        if !setting.default.is_empty() {
            Config::default()
                .assign(&setting.key, &setting.default)
                .unwrap_or_else(|message| panic!("{}: {message}", setting.key));
        }
        assert!(setting.help.trim_end().ends_with('.'), "{}", setting.key);
    }
}

#[test]
fn secrets_are_not_shown() {
    let env = [
        ("ORIEL_BOOTSTRAP_KEY", "very-secret"),
        ("ORIEL_DATABASE", "postgres://u:very-secret@h/n"),
    ];
    let config = load(&[], &env, "").unwrap();
    assert!(!format!("{config:?}").contains("very-secret"));
}

#[test]
fn the_book_lists_every_setting() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/book/configuration.md");
    let text = std::fs::read_to_string(&page).unwrap();
    let (start, end) = ("<!-- settings: begin -->\n", "<!-- settings: end -->");
    let from = text.find(start).unwrap() + start.len();
    let to = text.find(end).unwrap();
    let wanted = format!("\n{}\n", reference());
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&page, format!("{}{wanted}{}", &text[..from], &text[to..])).unwrap();
    } else {
        assert_eq!(text[from..to], wanted, "run this test with UPDATE_DOCS=1 to write the page anew");
    }
}
