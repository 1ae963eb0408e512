//! A guest program without a test here is a mistake.

#[test]
fn every_guest_program_is_called_by_a_test() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/guests");
    let suites = ["/tests/suite", "/../oriel-extensions/tests/suite"].map(|suite| format!("{}{suite}", env!("CARGO_MANIFEST_DIR")));
    let tests: String = suites
        .into_iter()
        .flat_map(|suite| std::fs::read_dir(suite).unwrap())
        .map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap())
        .collect();
    for guest in ["echo", "kv", "points", "caller", "hostile", "web"] {
        let source = std::fs::read_to_string(format!("{root}/{guest}/src/lib.rs")).unwrap();
        let execute = source.split_once("match name.as_str()").unwrap().1;
        // Arms of the outermost match are indented by twelve spaces.
        let programs = execute.lines().filter_map(|line| {
            let arm = line.strip_prefix("            \"")?;
            let (name, rest) = arm.split_once('"')?;
            rest.starts_with(" =>").then_some(name)
        });
        let mut count = 0;
        for program in programs {
            count += 1;
            // A handler of HTTP has paths in the place of programs.
            let quoted = if guest == "web" {
                format!("\"/{program}")
            } else {
                format!("\"{program}\"")
            };
            assert!(tests.contains(&quoted), "no test calls `{program}` of the guest `{guest}`");
        }
        assert!(count >= 2, "the programs of `{guest}` were not found");
    }
}
