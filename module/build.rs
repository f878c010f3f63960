//! Flags of the linker.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // A thread of the module runs until the process ends: the library must stay in memory, whether or not `do_not_close` is
    // set where it is loaded.
    if std::env::var("CARGO_CFG_TARGET_OS").is_ok_and(|os| os == "linux") {
        println!("cargo::rustc-cdylib-link-arg=-Wl,-z,nodelete");
    }
}
