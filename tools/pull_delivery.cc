#include "tools/pull_delivery.h"

#include <fcntl.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <span>
#include <sstream>
#include <system_error>

#include <fmt/format.h>

#include "manifest/ovms_loras.h"
#include "manifest/ovms_options.h"
#include "tools/model_tree.h"
#include "tools/mount_filler.h"
#include "tools/ovms_directory.h"
#include "tools/staged_tree.h"

namespace castool::tools {
namespace {

using base::Result;
using base::Status;
namespace fs = std::filesystem;

constexpr std::string_view kType = "fuse.castool";

// mountinfo(5) writes blanks and backslashes as \040 and the like.
std::string unescaped(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool octal = text[i] == '\\' && i + 3 < text.size();
    if (!octal) {
      out += text[i];
      continue;
    }
    int value = 0;
    for (std::size_t digit = 1; digit <= 3; ++digit) value = value * 8 + (text[i + digit] - '0');
    out += static_cast<char>(value);
    i += 3;
  }
  return out;
}

bool is_within(std::string_view path, std::string_view directory) {
  if (directory == "/") return true;
  return path.starts_with(directory) &&
         (path.size() == directory.size() || path[directory.size()] == '/');
}

std::string destination(const Repository& repository, const OvmsRequest& request) {
  return repository.path + "/" + request.source_model;
}

bool has_entries(const std::string& directory) {
  std::error_code failure;
  return fs::is_directory(directory, failure) && !fs::is_empty(directory, failure);
}

Existing existing_of(const OvmsRequest& request) {
  // Of a GGUF OVMS replaces and adds just its own files.
  if (!request.gguf_files.empty()) return Existing::kMerge;
  return request.overwrite ? Existing::kReplace : Existing::kRefuse;
}

}  // namespace

std::optional<std::string> castool_mounted_at(std::string_view mountinfo, std::string_view path) {
  // The last line that covers the path is what is seen there.
  std::optional<std::string> store;
  std::size_t longest = 0;
  std::istringstream lines{std::string(mountinfo)};
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    const std::vector<std::string> fields{std::istream_iterator<std::string>(words), {}};
    const auto dash = std::ranges::find(fields, "-");
    if (fields.size() < 7 || fields.end() - dash < 3) continue;
    const std::string point = unescaped(fields[4]);
    if (!is_within(path, point) || point.size() < longest) continue;
    longest = point.size();
    store.reset();
    if (*(dash + 1) == kType) store = unescaped(*(dash + 2));
  }
  return store;
}

Repository look_at_repository(const std::string& path) {
  std::ifstream in("/proc/self/mountinfo");
  const std::string mountinfo{std::istreambuf_iterator<char>(in), {}};
  return {path, castool_mounted_at(mountinfo, absolute_path(path))};
}

Result<Settings> settings_for(const std::optional<Repository>& repository,
                              const CommandContext& context) {
  Settings settings = context.settings;
  if (!repository || !repository->mounted_store) return settings;
  const bool named =
      context.arguments.store || !variable(context.variables, "CASTOOL_STORE").empty();
  if (named && absolute_path(settings.store) != *repository->mounted_store) {
    return base::make_error(base::Code::kUsage,
                            "model_repository_path: " + repository->path + " shows the store " +
                                *repository->mounted_store,
                            "leave out --store, or give that one");
  }
  settings.store = *repository->mounted_store;
  return settings;
}

Result<bool> keep_existing(const Repository& repository, const OvmsRequest& request,
                           CommandContext& context) {
  const std::string directory = destination(repository, request);
  if (repository.mounted_store || request.overwrite || !has_entries(directory)) return false;
  const bool lacks_gguf = std::ranges::none_of(request.gguf_files, [&](const std::string& file) {
    std::error_code failure;
    return fs::exists(directory + "/" + file, failure);
  });
  if (!request.gguf_files.empty() && lacks_gguf) return false;
  context.log.info("{}: it is there already and stays as it is", directory);
  CASTOOL_RETURN_IF_ERROR(write_graph(directory, request, "./", context.files));
  return true;
}

Status deliver(const Repository& repository, const OvmsRequest& request, cas::Store& store,
               const manifest::RefRecord& record, CommandContext& context,
               const std::stop_token& stop) {
  if (repository.mounted_store) return base::ok();
  pull::ReadRights rights(store, context.settings.ns);
  CASTOOL_ASSIGN(const auto files, ovms_model_tree(store, reads_by(rights), record));
  CASTOOL_ASSIGN(auto staged, StagedTree::begin(destination(repository, request),
                                                existing_of(request), context.files));
  for (const TreeFile& file : files) {
    const auto* text = std::get_if<std::string>(&file.content);
    Status added = text != nullptr ? staged.add_text(file.path, *text)
                                   : staged.add_blob(file.path, store,
                                                     std::get<base::Digest>(file.content), stop);
    if (!added) return added;
  }
  return staged.commit();
}

void print_delivery(const Repository& repository, const OvmsRequest& request,
                    const manifest::RefRecord& record, CommandContext& context) {
  if (context.settings.json || context.settings.quiet) return;
  const std::string directory = destination(repository, request);
  Output& out = context.out;
  out.line(fmt::format("Model: {} downloaded to: {}", request.source_model, directory));
  if (const auto draft = record.options.find("draft_source_model");
      draft != record.options.end() && !draft->second.empty()) {
    const std::string name = manifest::draft_directory(draft->second);
    out.line(fmt::format("Draft model: {} downloaded to: {}/{}", name, directory, name));
  }
  if (const auto text = record.options.find("source_loras"); text != record.options.end()) {
    const auto loras = manifest::parse_source_loras(text->second);
    const auto adapters = loras ? loras->adapters : std::vector<manifest::LoraAdapter>();
    for (const manifest::LoraAdapter& adapter : adapters) {
      const bool local = adapter.origin == manifest::LoraOrigin::kLocal;
      out.line(local ? fmt::format("LoRA adapter: {} using local file: {}", adapter.alias,
                                   adapter.source)
                     : fmt::format("LoRA adapter: {} downloaded to: {}/{}", adapter.alias,
                                   directory, adapter.directory()));
    }
  }
  out.line(fmt::format("Graph: graph.pbtxt created in: {}", directory));
}

}  // namespace castool::tools
