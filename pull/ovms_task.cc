#include "pull/ovms_task.h"

#include <algorithm>
#include <functional>
#include <optional>
#include <utility>

#include "manifest/ovms_task_detection.h"
#include "pull/file_fetcher.h"

namespace castool::pull {
namespace {

using base::Digest;
using base::Result;

constexpr std::uint64_t kMaxMetadata = 4u << 20;

std::string repository_of(const RemoteModel& model) {
  return model.origin.substr(model.origin.rfind(' ') + 1);
}

using ReadFile = std::function<Result<std::optional<std::string>>(std::size_t file)>;

Result<manifest::ModelMetadata> read_metadata(const RemoteModel& model, const ReadFile& read) {
  manifest::ModelMetadata metadata;
  metadata.id = repository_of(model);
  for (std::size_t i = 0; i < model.files.size(); ++i) {
    std::optional<std::string>* text = nullptr;
    if (model.files[i].path == "config.json") text = &metadata.config;
    if (model.files[i].path == "model_index.json") text = &metadata.model_index;
    if (model.files[i].path == "modules.json") text = &metadata.modules;
    if (text == nullptr || model.files[i].size > kMaxMetadata) continue;
    CASTOOL_ASSIGN(*text, read(i));
  }
  return metadata;
}

// An OpenVINO model at the top, or of several parts each in a directory of its own.
bool made_for_openvino(const RemoteModel& model) {
  return std::ranges::any_of(model.files, [](const RemoteFile& file) {
    const std::string_view path = file.path;
    const std::string_view name = path.substr(path.rfind('/') + 1);
    return std::ranges::count(path, '/') <= 1 && name.starts_with("openvino_") &&
           name.ends_with("model.xml");
  });
}

}  // namespace

Result<std::string> ask_for_task(cas::Store& store, ModelSource& source, const RemoteModel& model,
                                 std::stop_token stop) {
  if (model.kind == manifest::ModelKind::kOllama) return std::string("text_generation");
  const auto read = [&](std::size_t i) -> Result<std::optional<std::string>> {
    const RemoteFile& file = model.files[i];
    FileProgress progress(file.label, {}, file.size);
    CASTOOL_ASSIGN(const Digest digest, fetch_whole(store, source, file, progress, stop));
    CASTOOL_ASSIGN(auto text, store.read_small(digest, kMaxMetadata));
    return std::optional(std::move(text));
  };
  CASTOOL_ASSIGN(const auto metadata, read_metadata(model, read));
  std::string task = manifest::detect_ovms_task(metadata);
  if (task.empty()) {
    return base::make_error(base::Code::kUsage, "Could not infer model task",
                            "give it with --task");
  }
  return task;
}

std::string stored_task(const cas::Store& store, const RemoteModel& model,
                        std::span<const Digest> digests) {
  if (model.kind != manifest::ModelKind::kHub || !made_for_openvino(model)) return {};
  const auto read = [&](std::size_t i) -> Result<std::optional<std::string>> {
    auto text = store.read_small(digests[i], kMaxMetadata);
    return text ? std::optional(*std::move(text)) : std::optional<std::string>();
  };
  const auto metadata = read_metadata(model, read);
  return metadata ? manifest::detect_ovms_task(*metadata) : std::string();
}

}  // namespace castool::pull
