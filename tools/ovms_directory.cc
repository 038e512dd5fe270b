#include "tools/ovms_directory.h"

#include <fcntl.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <span>
#include <system_error>

#include <fmt/format.h>

#include "base/unique_fd.h"
#include "manifest/ovms_graph.h"
#include "manifest/ovms_task_detection.h"

namespace castool::tools {
namespace {

using base::Code;
using base::make_error;
using base::Result;
using base::Status;
namespace fs = std::filesystem;

constexpr int kMostLevels = 16;

bool is_there(const fs::path& path) {
  std::error_code failure;
  return fs::exists(path, failure);
}

std::vector<fs::path> sorted_entries(const fs::path& directory) {
  std::vector<fs::path> found;
  std::error_code failure;
  for (fs::directory_iterator at(directory, failure), end; !failure && at != end;
       at.increment(failure)) {
    found.push_back(at->path());
  }
  std::ranges::sort(found);
  return found;
}

bool is_version(const std::string& name) {
  return name.find_first_not_of("0123456789") == std::string::npos &&
         name.find_first_not_of('0') != std::string::npos;
}

// A directory in which one framework's files are complete.
bool holds_model(const fs::path& directory) {
  const auto has = [entries = sorted_entries(directory)](std::string_view suffix) {
    return std::ranges::any_of(entries, [suffix](const fs::path& entry) {
      return entry.filename().string().ends_with(suffix);
    });
  };
  return (has(".xml") && has(".bin")) || (has(".pdmodel") && has(".pdiparams")) || has(".onnx") ||
         has(".pb") || has(".tflite");
}

bool is_servable(const fs::path& directory) {
  if (is_there(directory / "graph.pbtxt") || is_there(directory / "1" / "graph.pbtxt")) return true;
  return std::ranges::any_of(sorted_entries(directory), [](const fs::path& entry) {
    std::error_code failure;
    return is_version(entry.filename().string()) && fs::is_directory(entry, failure) &&
           holds_model(entry);
  });
}

void list_below(const fs::path& root, const fs::path& directory, int level,
                std::vector<std::string>& names) {
  for (const fs::path& entry : sorted_entries(directory)) {
    std::error_code failure;
    if (!fs::is_directory(entry, failure)) continue;
    if (is_servable(entry)) {
      names.push_back(entry.lexically_relative(root).string());
    } else if (level < kMostLevels) {
      list_below(root, entry, level + 1, names);
    }
  }
}

std::optional<std::string> text_of(const fs::path& path) {
  std::error_code failure;
  if (!fs::is_regular_file(path, failure)) return std::nullopt;
  auto text = read_file(path.string());
  return text ? std::optional(*std::move(text)) : std::nullopt;
}

Result<std::string> task_of(const fs::path& directory, const OvmsRequest& request) {
  if (!request.task.empty()) return request.task;
  manifest::ModelMetadata metadata;
  metadata.id = request.source_model.empty() ? directory.string() : request.source_model;
  metadata.config = text_of(directory / "config.json");
  metadata.model_index = text_of(directory / "model_index.json");
  metadata.modules = text_of(directory / "modules.json");
  std::string task = manifest::detect_ovms_task(metadata);
  if (task.empty()) {
    return make_error(Code::kUsage, "Could not infer model task", "give it with --task");
  }
  return task;
}

}  // namespace

Result<std::vector<std::string>> list_servable(const std::string& repository) {
  std::error_code failure;
  if (!fs::is_directory(repository, failure)) {
    return make_error(Code::kNotFound, repository + " is not a directory");
  }
  std::vector<std::string> names;
  list_below(repository, repository, 0, names);
  return names;
}

Status write_graph(const std::string& directory, const OvmsRequest& request,
                   std::string_view models_path, base::FileOps& files) {
  std::error_code failure;
  if (!fs::is_directory(directory, failure)) {
    return make_error(Code::kNotFound, directory + " is not a directory");
  }
  CASTOOL_ASSIGN(const std::string task, task_of(directory, request));
  CASTOOL_ASSIGN(const std::string graph, manifest::ovms_graph(task, request.options, models_path));
  return replace_file(directory + "/graph.pbtxt", graph, files);
}

Status replace_file(const std::string& path, std::string_view text, base::FileOps& files) {
  const std::string made = path + ".castool-new";
  auto fd = files.open(AT_FDCWD, made, O_WRONLY | O_CREAT | O_TRUNC, 0644);
  const bool beside = fd.has_value();
  if (!beside) fd = files.open(AT_FDCWD, path, O_WRONLY | O_TRUNC);
  if (!fd) return base::failure(fd);
  Status written = files.write_at(fd->get(), 0, std::as_bytes(std::span(text)));
  if (!beside) return written;
  if (written) written = files.sync(fd->get());
  if (written) written = files.rename(AT_FDCWD, made, AT_FDCWD, path, base::IfExists::kReplace);
  if (!written) static_cast<void>(files.unlink(AT_FDCWD, made));
  return written;
}

Result<std::string> read_file(const std::string& path) {
  if (!is_there(path)) return std::string();
  std::ifstream in(path, std::ios::binary);
  std::string text{std::istreambuf_iterator<char>(in), {}};
  if (in.bad() || !in.is_open()) return make_error(Code::kIo, path + " cannot be read");
  return text;
}

}  // namespace castool::tools
