#include "manifest/hub_json.h"

#include <utility>

#include "manifest/json_value.h"
#include "manifest/manifest.h"
#include "manifest/name_rules.h"
#include "manifest/path_rules.h"
#include "manifest/printable.h"
#include "manifest/utf8.h"

namespace castool::manifest {
namespace {

constexpr JsonLimits kLimits{kMaxHubAnswerBytes, 4'000'000, kMaxJsonDepth};

base::Error bad(std::string_view what, std::string_view rule) {
  return base::make_error(base::Code::kBadManifest, std::string(what) + ": " + std::string(rule));
}

// false, or the name of the procedure by which access is asked for.
base::Result<bool> is_gated(const JsonValue& root, const JsonFields& fields) {
  const JsonValue* gated = root.find("gated");
  if (gated == nullptr || gated->is_null()) return false;
  if (gated->boolean() != nullptr) return *gated->boolean();
  if (gated->string() != nullptr) return true;
  return fields.error("gated", "neither false nor a word");
}

// The "lfs" member: for these files "oid" is the pointer's, and the content's digest is in here.
base::Status read_lfs(const JsonFields& fields, TreeFile& file) {
  CASTOOL_ASSIGN(const JsonValue* lfs, fields.object_or_null("lfs"));
  if (lfs == nullptr) return base::ok();
  const JsonFields inner(*lfs, "hub tree: lfs");
  CASTOOL_ASSIGN(const std::string oid, inner.string("oid"));
  CASTOOL_ASSIGN(file.lfs_sha256, base::Digest::parse_hex(oid));
  CASTOOL_ASSIGN(const std::uint64_t size, inner.size("size"));
  if (size != file.size) return fields.error("size", "differs from that of the LFS object");
  return base::ok();
}

base::Result<TreeFile> read_file(const JsonFields& fields) {
  TreeFile file;
  CASTOOL_ASSIGN(file.path, fields.string("path"));
  CASTOOL_RETURN_IF_ERROR(check_path(file.path));
  CASTOOL_ASSIGN(file.size, fields.size("size"));
  CASTOOL_ASSIGN(const std::string oid, fields.string("oid"));
  CASTOOL_ASSIGN(file.oid, base::GitOid::parse_hex(oid));
  CASTOOL_RETURN_IF_ERROR(read_lfs(fields, file));
  return file;
}

void append_sentence(const JsonValue* value, std::string& out) {
  if (value == nullptr || value->string() == nullptr || value->string()->empty()) return;
  if (!out.empty()) out += "; ";
  out += *value->string();
}

// Control characters as blanks, cut at `limit` bytes between two characters.
std::string one_line(std::string_view text, std::size_t limit) {
  std::string out;
  while (!text.empty()) {
    const CodePoint point = first_code_point(text);
    const std::size_t size = point.size == 0 ? 1 : point.size;
    if (out.size() + size > limit) break;
    if (point.size == 0 || is_control(point.value)) {
      out.push_back(' ');
    } else {
      out += text.substr(0, size);
    }
    text.remove_prefix(size);
  }
  return out;
}

}  // namespace

base::Result<RepoInfo> parse_repo_info(std::string_view json) {
  constexpr std::string_view kWhat = "hub answer";
  CASTOOL_ASSIGN(const JsonValue root, parse_json(json, kLimits, kWhat));
  if (root.object() == nullptr) return bad(kWhat, "not an object");
  const JsonFields fields(root, kWhat);
  RepoInfo info;
  CASTOOL_ASSIGN(info.id, fields.string("id"));
  if (!is_hub_repo(info.id)) return fields.error("id", "not a repository: " + printable(info.id));
  CASTOOL_ASSIGN(info.sha, fields.string("sha"));
  if (!base::GitOid::parse_hex(info.sha)) return fields.error("sha", "not a commit");
  CASTOOL_ASSIGN(info.is_private, fields.boolean_or("private", false));
  CASTOOL_ASSIGN(info.disabled, fields.boolean_or("disabled", false));
  CASTOOL_ASSIGN(info.gated, is_gated(root, fields));
  return info;
}

base::Result<std::vector<TreeFile>> parse_tree_page(std::string_view json) {
  constexpr std::string_view kWhat = "hub tree";
  CASTOOL_ASSIGN(const JsonValue root, parse_json(json, kLimits, kWhat));
  if (root.array() == nullptr) return bad(kWhat, "not a list");
  if (root.array()->size() > kMaxHubFiles) return bad(kWhat, "more than 200000 entries");
  std::vector<TreeFile> files;
  for (const JsonValue& entry : *root.array()) {
    if (entry.object() == nullptr) return bad(kWhat, "an entry that is not an object");
    const JsonFields fields(entry, kWhat);
    CASTOOL_ASSIGN(const std::string type, fields.string("type"));
    if (type != "file") continue;
    CASTOOL_ASSIGN(TreeFile file, read_file(fields));
    files.push_back(std::move(file));
  }
  return files;
}

std::string error_sentence(std::string_view body) {
  constexpr std::size_t kMaxSentence = 300;
  const JsonLimits limits{1u << 20, 10'000, kMaxJsonDepth};
  const auto root = parse_json(body, limits, "error answer");
  if (!root) return {};
  std::string sentence;
  const JsonValue* error = root->find("error");
  append_sentence(error, sentence);
  if (error != nullptr && error->array() != nullptr) {
    for (const JsonValue& item : *error->array()) append_sentence(&item, sentence);
  }
  append_sentence(root->find("error_description"), sentence);
  const JsonValue* errors = root->find("errors");
  if (errors != nullptr && errors->array() != nullptr) {
    for (const JsonValue& item : *errors->array()) append_sentence(item.find("message"), sentence);
  }
  return one_line(sentence, kMaxSentence);
}

}  // namespace castool::manifest
