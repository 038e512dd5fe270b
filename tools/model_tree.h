// The files that a ref stands for in a layout, as they would be in a directory of their own.
#pragma once

#include <string>
#include <variant>
#include <vector>

#include "base/digest.h"
#include "base/result.h"
#include "cas/store.h"
#include "fusefs/store_blobs.h"
#include "fusefs/views/placement.h"
#include "manifest/ref_record.h"

namespace castool::tools {

// A symbolic link.
struct TreeLink {
  std::string target;
};

struct TreeFile {
  std::string path;                                           // relative
  std::variant<base::Digest, std::string, TreeLink> content;  // a blob, or the text itself
};

// kNotFound when a blob is stored that the model may not read yet: it is as good as absent.
//
// The model's own files: of a repository as they are there; of an Ollama model each layer under the
// name of its kind, the weights as <model>-<tag>.gguf.
[[nodiscard]] base::Result<std::vector<TreeFile>> plain_tree(cas::Store& store,
                                                             const fusefs::MayRead& may_read,
                                                             const manifest::RefRecord& record);

// What a mount of that layout shows, with this ref alone in it.
[[nodiscard]] base::Result<std::vector<TreeFile>> layout_tree(cas::Store& store,
                                                              const fusefs::MayRead& may_read,
                                                              const manifest::RefRecord& record,
                                                              fusefs::Layout layout);

// Only what is below the model's directory in the ovms layout: as `ovms --pull` leaves it.
[[nodiscard]] base::Result<std::vector<TreeFile>> ovms_model_tree(
    cas::Store& store, const fusefs::MayRead& may_read, const manifest::RefRecord& record);

}  // namespace castool::tools
