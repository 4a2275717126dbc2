//! wasm-bindgen reads the features from this section, which stripping would remove.

fn main() {
    println!("cargo::rustc-link-arg-cdylib=--keep-section=target_features");
    println!("cargo::rerun-if-changed=build.rs");
}
