// What the files of a tree hold: values that name bytes, and hold none but small texts.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <variant>

#include "base/digest.h"

namespace castool::fusefs {

struct BlobHome;  // blob_filler.h

struct BlobContent {
  base::Digest digest;
  // The model through which it can be had when the store has not got it; null: it cannot.
  std::shared_ptr<const BlobHome> home = nullptr;
};
struct TextContent {
  std::shared_ptr<const std::string> text;
  base::Digest digest;  // of the text
};
// A text that may be written over (graph_files.h): of the model at `place` of the ovms layout.
struct RewritableText {
  std::string place;
  std::shared_ptr<const std::string> text;  // null: nothing is there until it is written
  base::Digest digest;                      // of the text, or of an empty one
};
// A symbolic link.
struct LinkContent {
  std::shared_ptr<const std::string> target;
  base::Digest digest;  // of the target
};
using FileContent = std::variant<BlobContent, TextContent, RewritableText, LinkContent>;

// The sha256 of a file's bytes, whichever kind it is.
[[nodiscard]] const base::Digest& digest_of(const FileContent& content);
[[nodiscard]] FileContent make_text(std::string text);
[[nodiscard]] FileContent make_link(std::string target);
[[nodiscard]] FileContent make_rewritable(std::string place, std::optional<std::string> text);

// Who may open a file how. OVMS opens a GGUF to read and write, maps it shared, and never writes.
enum class Access { kRead, kReadOrMapWritable };

}  // namespace castool::fusefs
