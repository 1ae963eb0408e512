//! Both engines pass the suite of the ports, and what is theirs alone holds.

mod suite {
    mod adapters;
    mod crash;
    mod migrations;
}
