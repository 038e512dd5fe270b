#include "fusefs/views/ovms_kind.h"

#include <algorithm>
#include <array>
#include <map>
#include <set>

namespace castool::fusefs {
namespace {

constexpr std::string_view kTextGeneration = "text_generation";

bool ends_with_any(std::string_view name, std::span<const std::string_view> suffixes) {
  return std::any_of(suffixes.begin(), suffixes.end(),
                     [&](std::string_view suffix) { return name.ends_with(suffix); });
}

// "3/model.onnx" -> "3"; empty when the first part is no version number.
std::string_view version_of(std::string_view path) {
  const std::size_t slash = path.find('/');
  if (slash == std::string_view::npos || slash == 0) return {};
  const std::string_view head = path.substr(0, slash);
  const bool digits =
      std::all_of(head.begin(), head.end(), [](char c) { return c >= '0' && c <= '9'; });
  const bool zero = head.find_first_not_of('0') == std::string_view::npos;
  return digits && !zero ? head : std::string_view();
}

// A version directory counts when one framework's files are complete right inside it.
bool has_version(std::span<const FlatFile> files) {
  static constexpr std::array<std::string_view, 3> kAlone = {".onnx", ".pb", ".tflite"};
  struct Seen {
    bool xml = false, bin = false, pdmodel = false, pdiparams = false, alone = false;
  };
  std::map<std::string_view, Seen> versions;
  for (const FlatFile& file : files) {
    const std::string_view path = file.path;
    const std::string_view version = version_of(path);
    if (version.empty()) continue;
    const std::string_view name = path.substr(version.size() + 1);
    if (name.find('/') != std::string_view::npos) continue;
    Seen& seen = versions[version];
    seen.xml |= name.ends_with(".xml");
    seen.bin |= name.ends_with(".bin");
    seen.pdmodel |= name.ends_with(".pdmodel");
    seen.pdiparams |= name.ends_with(".pdiparams");
    seen.alone |= ends_with_any(name, kAlone);
  }
  return std::any_of(versions.begin(), versions.end(), [](const auto& entry) {
    const Seen& seen = entry.second;
    return (seen.xml && seen.bin) || (seen.pdmodel && seen.pdiparams) || seen.alone;
  });
}

bool has_file(std::span<const FlatFile> files, std::string_view path) {
  return std::any_of(files.begin(), files.end(),
                     [&](const FlatFile& file) { return file.path == path; });
}

}  // namespace

std::string ovms_task(const manifest::RefRecord& record, std::span<const FlatFile> files) {
  if (!record.task.empty()) return record.task;
  if (record.kind == manifest::ModelKind::kOllama) return std::string(kTextGeneration);
  const bool exported_llm = has_file(files, "openvino_model.xml") &&
                            has_file(files, "openvino_tokenizer.xml") &&
                            has_file(files, "openvino_detokenizer.xml");
  return exported_llm ? std::string(kTextGeneration) : std::string();
}

OvmsKind ovms_kind(std::string_view task, std::span<const FlatFile> files) {
  if (!task.empty()) return OvmsKind::kGeneratedGraph;
  if (has_file(files, "graph.pbtxt") || has_file(files, "1/graph.pbtxt"))
    return OvmsKind::kOwnGraph;
  return has_version(files) ? OvmsKind::kVersions : OvmsKind::kNone;
}

bool may_be_servable(std::string_view manifest_bytes) {
  static constexpr std::array<std::string_view, 6> kEndings = {
      ".xml\"", ".onnx\"", ".pb\"", ".pdmodel\"", ".tflite\"", "graph.pbtxt\""};
  return std::any_of(kEndings.begin(), kEndings.end(), [&](std::string_view ending) {
    return manifest_bytes.find(ending) != std::string_view::npos;
  });
}

}  // namespace castool::fusefs
