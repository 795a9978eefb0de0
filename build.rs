//! Sets the link flags of a Node addon (among them `-z nodelete`: the image is never unmapped).

fn main() {
    napi_build::setup();
}
