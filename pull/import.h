// Models that lie on this machine already become store content; no origin is asked for anything.
//
// Sources are trusted neither to be what they say nor to stay as they are: what is stored is a copy
// (by reference where the file system can), and the copy is what is hashed. Where the source names
// a digest it has to be right. Links are followed below the source only.
#pragma once

#include <cstdint>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "base/result.h"
#include "cas/ref_store.h"
#include "cas/store.h"
#include "manifest/ref_record.h"
#include "manifest/source.h"
#include "pull/puller.h"

namespace castool::pull {

struct ImportFile {
  std::string path;                    // in the model
  std::string on_disk;                 // below ImportModel::root
  std::optional<base::Digest> digest;  // what the source says it is
  std::optional<base::GitOid> git_oid;
};

struct ImportModel {
  std::string name;
  manifest::ModelKind kind = manifest::ModelKind::kHub;
  std::string root;                        // directory that all files lie in
  std::vector<ImportFile> files;           // of an Ollama model: its blobs
  std::optional<manifest::Source> source;  // nullopt: known to nobody but us
  std::string revision;                    // commit or tag
  std::string manifest_bytes;              // of an Ollama model
};

// The models at `path`: a directory, a GGUF, an OVMS repository (config.json), an Ollama tree
// (manifests/ and blobs/) or a Hub cache (models--org--name/, or the directory that has them).
// `name` is for a single model; trees bring their own names. kUsage, kNotFound.
[[nodiscard]] base::Result<std::vector<ImportModel>> scan_import(
    const std::string& path, const std::optional<std::string>& name);

struct ImportOutcome {
  base::Digest manifest;
  std::uint64_t files = 0;
  std::uint64_t bytes = 0;
};

// Stores the model and writes its ref. kDigestMismatch for a file that is not what the source says,
// kBusy for one that changed meanwhile.
[[nodiscard]] base::Result<ImportOutcome> import_model(cas::Store& store, cas::RefStore& refs,
                                                       const ImportModel& model,
                                                       const Origins& origins,
                                                       const std::stop_token& stop);

}  // namespace castool::pull
