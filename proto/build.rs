//! Compiles every .proto file without protoc, and writes one descriptor set for reflection and JSON.
use std::path::{Path, PathBuf};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut files = Vec::new();
    for folder in ["dtm", "amends", "pay"] {
        println!("cargo:rerun-if-changed={folder}");
        collect(Path::new(folder), &mut files)?;
    }
    files.sort();
    let mut compiler = protox::Compiler::new(["."])?;
    compiler.include_imports(true).open_files(&files)?;
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    // Encoded by the compiler itself: our own field options would be lost on the way through the generated types.
    std::fs::write(out.join("descriptors.bin"), compiler.encode_file_descriptor_set())?;
    // The same with the comments, for the pages about the API: servers and JSON have no use for them.
    compiler.include_source_info(true);
    std::fs::write(out.join("documented.bin"), compiler.encode_file_descriptor_set())?;
    compiler.include_source_info(false);
    tonic_prost_build::configure().bytes(".").compile_fds(compiler.file_descriptor_set())?;
    Ok(())
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else if path.extension().is_some_and(|ext| ext == "proto") {
            files.push(path);
        }
    }
    Ok(())
}
