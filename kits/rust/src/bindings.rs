//! The generated side. A world for each export, so that a component declares only those whose macro it uses; the
//! imports that nothing calls are dropped when the component is made.

#![allow(missing_docs, unreachable_pub, unused, clippy::all, reason = "generated code")]

pub mod imports {
    #[cfg(not(feature = "http"))]
    wit_bindgen::generate!({
        path: "../../wit",
        inline: r"
            package oriel:kit;
            world kit { include oriel:extension/imports@0.1.0; import oriel:extension/executions@0.1.0; }
        ",
        generate_all,
    });

    #[cfg(feature = "http")]
    wit_bindgen::generate!({
        path: "../../wit",
        inline: r"
            package oriel:kit;
            world kit {
                include oriel:extension/imports@0.1.0;
                import oriel:extension/executions@0.1.0;
                import wasi:http/outgoing-handler@0.2.12;
            }
        ",
        generate_all,
    });
}

/// The world of one export. What `use`s nothing of `executions` is told nothing of it: the generator refuses words that it does not need.
macro_rules! export {
    ($module:ident $path:tt $inline:tt $($executions:tt)?) => {
        pub mod $module {
            wit_bindgen::generate!({
                path: "../../wit",
                inline: $inline,
                with: {
                    "oriel:extension/types@0.1.0": crate::bindings::imports::oriel::extension::types,
                    $($executions: crate::bindings::imports::oriel::extension::executions,)?
                },
                generate_all,
                pub_export_macro: true,
                export_macro_name: "export",
                default_bindings_module: $path,
            });
        }
    };
}

export!(program "oriel_extension::__private::program" r"
    package oriel:kit;
    world programs { export oriel:extension/program@0.1.0; }
");
export!(lifecycle "oriel_extension::__private::lifecycle" r"
    package oriel:kit;
    world life { export oriel:extension/lifecycle@0.1.0; }
");
export!(validator "oriel_extension::__private::validator" r"
    package oriel:kit;
    world validators { export oriel:extension/validator@0.1.0; }
" "oriel:extension/executions@0.1.0");
export!(sampler "oriel_extension::__private::sampler" r"
    package oriel:kit;
    world samplers { export oriel:extension/sampler@0.1.0; }
" "oriel:extension/executions@0.1.0");
export!(event_handler "oriel_extension::__private::event_handler" r"
    package oriel:kit;
    world event-handlers { export oriel:extension/event-handler@0.1.0; }
");
export!(hook "oriel_extension::__private::hook" r"
    package oriel:kit;
    world hooks { export oriel:extension/hook@0.1.0; }
");
export!(job "oriel_extension::__private::job" r"
    package oriel:kit;
    world jobs { export oriel:extension/job@0.1.0; }
");
