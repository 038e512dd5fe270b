#include "tools/model_tree.h"

#include <algorithm>
#include <map>
#include <memory>
#include <span>
#include <utility>

#include <fmt/format.h>

#include "fusefs/store_blobs.h"
#include "fusefs/views/view.h"
#include "manifest/manifest.h"
#include "tools/staged_tree.h"

namespace castool::tools {
namespace {

using base::Code;
using base::make_error;
using base::Result;
using base::Status;

using Content = std::variant<base::Digest, std::string, TreeLink>;

Content as_written(const fusefs::BlobContent& blob) { return blob.digest; }
Content as_written(const fusefs::TextContent& text) { return *text.text; }
Content as_written(const fusefs::RewritableText& text) { return *text.text; }
Content as_written(const fusefs::LinkContent& link) { return TreeLink{*link.target}; }

// A file that is not there until somebody writes it.
bool is_to_be_written(const fusefs::FileContent& content) {
  const auto* text = std::get_if<fusefs::RewritableText>(&content);
  return text != nullptr && text->text == nullptr;
}

Status check_right(const fusefs::MayRead& may_read, const std::string& path,
                   const fusefs::FileContent& content) {
  const auto* blob = std::get_if<fusefs::BlobContent>(&content);
  if (blob == nullptr || !blob->home || blob->home->complete) return base::ok();
  if (may_read(*blob->home, blob->digest)) return base::ok();
  return not_here_yet(path, blob->digest);
}

Status gather(const fusefs::Node& node, const std::string& path, const fusefs::MayRead& may_read,
              std::vector<TreeFile>& files) {
  if (!node.is_directory()) {
    if (is_to_be_written(node.content())) return base::ok();
    CASTOOL_RETURN_IF_ERROR(check_right(may_read, path, node.content()));
    files.push_back({path, std::visit([](const auto& content) { return as_written(content); },
                                      node.content())});
    return base::ok();
  }
  CASTOOL_ASSIGN(const fusefs::Children* children, node.children());
  for (const fusefs::NodePtr& child : *children) {
    CASTOOL_RETURN_IF_ERROR(
        gather(*child, path.empty() ? child->name() : path + "/" + child->name(), may_read, files));
  }
  return base::ok();
}

Result<fusefs::TreePtr> tree_of(cas::Store& store, const fusefs::MayRead& may_read,
                                const manifest::RefRecord& record, fusefs::Layout layout) {
  const std::span<const manifest::RefRecord> records(&record, 1);
  const fusefs::Place place = fusefs::place_of(records, record.name, layout);
  if (place.path.empty()) {
    return make_error(Code::kUnsupported, fmt::format("it has no place in layout {}: {}",
                                                      fusefs::word(layout), place.left_out));
  }
  fusefs::ViewInput input;
  input.records = records;
  input.manifests = std::make_shared<fusefs::StoreManifests>(store, may_read);
  input.on_demand = fusefs::OnDemandListed::kYes;
  return fusefs::make_view(layout, input).tree;
}

// "application/vnd.ollama.image.template" -> "template"; a second one is "template-2".
std::string layer_name(const std::string& media_type, const std::string& model,
                       std::map<std::string, int>& seen) {
  std::string kind = media_type.substr(media_type.rfind('.') + 1);
  for (char& c : kind) {
    if (c == '/' || c == '\\' || static_cast<unsigned char>(c) < 0x20) c = '-';
  }
  const int count = ++seen[kind];
  const std::string number = count == 1 ? std::string() : fmt::format("-{}", count);
  if (kind == "model") return model + number + ".gguf";
  if (kind == "projector" || kind == "adapter") return kind + number + ".gguf";
  if (kind == "params" || kind == "messages") return kind + number + ".json";
  return kind + number;
}

}  // namespace

Result<std::vector<TreeFile>> plain_tree(cas::Store& store, const fusefs::MayRead& may_read,
                                         const manifest::RefRecord& record) {
  const auto home = fusefs::BlobHome::of(record);
  const auto add = [&](std::vector<TreeFile>& files, std::string path,
                       const base::Digest& digest) -> Status {
    CASTOOL_RETURN_IF_ERROR(check_right(may_read, path, fusefs::BlobContent{digest, home}));
    files.push_back({std::move(path), digest});
    return base::ok();
  };
  std::vector<TreeFile> files;
  if (record.kind == manifest::ModelKind::kHub) {
    CASTOOL_ASSIGN(const auto bytes,
                   store.read_small(record.manifest, manifest::kMaxHubManifestBytes));
    CASTOOL_ASSIGN(const auto hub, manifest::parse_hub_manifest(bytes));
    for (const manifest::FileEntry& file : hub.files) {
      CASTOOL_RETURN_IF_ERROR(add(files, file.path, file.digest));
    }
    return files;
  }
  CASTOOL_ASSIGN(const auto bytes, store.read_small(record.manifest, manifest::kMaxManifestBytes));
  CASTOOL_ASSIGN(const auto ollama, manifest::parse_ollama_manifest(bytes));
  std::string model = record.name.substr(record.name.rfind('/') + 1);
  std::ranges::replace(model, ':', '-');
  std::map<std::string, int> seen;
  for (const manifest::Layer& layer : ollama.layers) {
    CASTOOL_RETURN_IF_ERROR(add(files, layer_name(layer.media_type, model, seen), layer.digest));
  }
  CASTOOL_RETURN_IF_ERROR(add(files, "config.json", ollama.config.digest));
  files.push_back({"manifest.json", record.manifest});
  return files;
}

Result<std::vector<TreeFile>> layout_tree(cas::Store& store, const fusefs::MayRead& may_read,
                                          const manifest::RefRecord& record,
                                          fusefs::Layout layout) {
  CASTOOL_ASSIGN(const fusefs::TreePtr tree, tree_of(store, may_read, record, layout));
  std::vector<TreeFile> files;
  CASTOOL_RETURN_IF_ERROR(gather(*tree->root(), {}, may_read, files));
  return files;
}

Result<std::vector<TreeFile>> ovms_model_tree(cas::Store& store, const fusefs::MayRead& may_read,
                                              const manifest::RefRecord& record) {
  constexpr auto kLayout = fusefs::Layout::kOvms;
  CASTOOL_ASSIGN(const fusefs::TreePtr tree, tree_of(store, may_read, record, kLayout));
  const std::span<const manifest::RefRecord> records(&record, 1);
  CASTOOL_ASSIGN(const fusefs::NodePtr node,
                 tree->find(fusefs::place_of(records, record.name, kLayout).path));
  std::vector<TreeFile> files;
  if (node != nullptr) CASTOOL_RETURN_IF_ERROR(gather(*node, {}, may_read, files));
  return files;
}

}  // namespace castool::tools
