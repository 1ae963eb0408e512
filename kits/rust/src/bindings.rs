//! The generated side. Three worlds, so that a component declares only the exports whose macro it uses; the
//! imports that nothing calls are dropped when the component is made.

#![allow(missing_docs, unreachable_pub, unused, clippy::all, reason = "generated code")]

pub mod imports {
    #[cfg(not(feature = "http"))]
    wit_bindgen::generate!({
        path: "../../wit",
        inline: r"
            package oriel:kit;
            world kit { include oriel:extension/imports@0.1.0; }
        ",
        generate_all,
    });

    #[cfg(feature = "http")]
    wit_bindgen::generate!({
        path: "../../wit",
        inline: r"
            package oriel:kit;
            world kit { include oriel:extension/imports@0.1.0; import wasi:http/outgoing-handler@0.2.12; }
        ",
        generate_all,
    });
}

pub mod program {
    wit_bindgen::generate!({
        path: "../../wit",
        inline: r"
            package oriel:kit;
            world programs { export oriel:extension/program@0.1.0; }
        ",
        with: { "oriel:extension/types@0.1.0": crate::bindings::imports::oriel::extension::types },
        generate_all,
        pub_export_macro: true,
        export_macro_name: "export",
        default_bindings_module: "oriel_extension::__private::program",
    });
}

pub mod lifecycle {
    wit_bindgen::generate!({
        path: "../../wit",
        inline: r"
            package oriel:kit;
            world life { export oriel:extension/lifecycle@0.1.0; }
        ",
        with: { "oriel:extension/types@0.1.0": crate::bindings::imports::oriel::extension::types },
        generate_all,
        pub_export_macro: true,
        export_macro_name: "export",
        default_bindings_module: "oriel_extension::__private::lifecycle",
    });
}
