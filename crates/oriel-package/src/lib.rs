//! Packs and unpacks .oriel files: OCI image layout, reproducible, hostile-proof.
