// A directory tree of a mount, made from manifests: immutable, shared, replaced whole.
//
// Nodes hold no bytes of their own: a file is a blob of the store or a small generated text. A node's
// id derives from its content and path, so a tree made again from the same refs has the same ids.
// Value-like; safe from any thread once built.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/digest.h"

namespace castool::fusefs {

using Ino = std::uint64_t;  // st_ino and FUSE nodeid; kRootIno is the root
inline constexpr Ino kRootIno = 1;

struct BlobContent {
  base::Digest digest;
};
struct TextContent {
  std::shared_ptr<const std::string> text;
};
using FileContent = std::variant<BlobContent, TextContent>;

struct Attributes {
  std::map<std::string, std::string> xattrs;  // "user.castool.sha256", …
  std::int64_t mtime = 0;                     // seconds since the epoch
};

struct Node {
  Ino ino = 0;
  Ino parent = 0;
  std::string name;
  bool directory = false;
  std::uint64_t size = 0;
  FileContent content;  // of a file
  Attributes attributes;
  std::vector<Ino> children;  // of a directory, in name order
};

}  // namespace castool::fusefs
