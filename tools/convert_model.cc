#include "tools/convert_model.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <filesystem>
#include <random>
#include <span>
#include <system_error>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "cas/layout.h"
#include "cas/lease.h"
#include "manifest/manifest.h"
#include "manifest/ovms_graph.h"
#include "manifest/ovms_options.h"
#include "pull/attachments.h"
#include "pull/ref_update.h"
#include "tools/child_program.h"
#include "tools/conversion_commands.h"
#include "tools/export_task.h"
#include "tools/named_refs.h"
#include "tools/pull_reporter.h"
#include "tools/scratch_directory.h"
#include "tools/staged_tree.h"

namespace castool::tools {
namespace {

using base::Code;
using base::make_error;
using base::Result;
using base::Status;
namespace fs = std::filesystem;

constexpr const char* kNamespace = "conversion";
constexpr std::array<const char*, 4> kDecisive{"weight-format", "extra_quantization_params",
                                               "model_type", "vocoder"};

constexpr auto kForgotten = std::chrono::hours(24);

// A service manager names each run of a unit; what is begun from a terminal in its session has
// inherited that, but also has the terminal.
bool in_a_service(const Variables& variables) {
  if (variable(variables, "INVOCATION_ID").empty()) return false;
  return ::isatty(STDIN_FILENO) == 0 && ::isatty(STDERR_FILENO) == 0;
}

Status check_remote_code(const pull::PullRequest& request, const Variables& variables) {
  if (request.options.contains("allow-remote-code") || !in_a_service(variables)) return base::ok();
  return make_error(Code::kUsage, "a conversion runs code of the repository, and this is a service",
                    "allow it for this model: castool pull --allow-remote-code");
}

// `source` and 64 random bits: nobody else has this name.
std::string unique_name(const std::string& source) {
  std::random_device device;
  const std::uint64_t high = device();
  return fmt::format("{}/{:016x}", source, high << 32 | device());
}

// Names that a killed run left between the pull of its source and the lease of it.
void remove_forgotten(cas::RefStore& refs, base::Clock::Wall now) {
  const auto today = std::chrono::duration_cast<std::chrono::seconds>(now.time_since_epoch());
  const auto all = refs.list();
  if (!all) return;
  for (const auto& [name, text] : *all) {
    const auto record = manifest::parse_ref_record(text);
    const bool old = record && today - std::chrono::seconds(record->pulled_at) > kForgotten;
    if (old) static_cast<void>(refs.remove_if(name, text));
  }
}

Result<std::string> need_program(const std::string& name, const CommandContext& context) {
  const std::string path = find_program(name, context.variables);
  if (!path.empty()) return path;
  return make_error(Code::kUnsupported, name + " is not installed, and conversion needs it",
                    "install optimum-intel with openvino-tokenizers so that PATH finds it");
}

std::string option_of(const std::map<std::string, std::string>& options, const char* name) {
  return manifest::option(options, name).value_or("");
}

// models--org--name/{refs/main, snapshots/<commit>/…}: the files are links to blobs.
Status add_to_cache(const manifest::RefRecord& record, const std::string& id, cas::Store& store,
                    const std::string& cache, base::FileOps& files) {
  CASTOOL_ASSIGN(const auto bytes,
                 store.read_small(record.manifest, manifest::kMaxHubManifestBytes));
  CASTOOL_ASSIGN(const auto hub, manifest::parse_hub_manifest(bytes));
  std::string folder = "models--" + id;
  for (std::size_t at = 0; (at = folder.find('/', at)) != std::string::npos;) {
    folder.replace(at, 1, "--");
  }
  CASTOOL_ASSIGN(auto staged, StagedTree::begin(cache + "/" + folder, Existing::kRefuse, files));
  CASTOOL_RETURN_IF_ERROR(staged.add_text("refs/main", hub.commit));
  const std::string root = absolute_path(store.root()) + "/";
  for (const manifest::FileEntry& file : hub.files) {
    CASTOOL_RETURN_IF_ERROR(staged.add_link("snapshots/" + hub.commit + "/" + file.path,
                                            root + cas::blob_path(file.digest)));
  }
  return staged.commit();
}

// Nothing is asked of any Hub, and no token is there to be asked with. What is left among temporary
// files (torch compiles into them) goes with `temporary`.
Variables offline_environment(const Variables& variables, const std::string& home,
                              const std::string& temporary) {
  Variables environment = variables;
  environment["TMPDIR"] = temporary;
  for (const char* secret : {"HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_TOKEN_PATH"}) {
    environment.erase(secret);
  }
  environment["HF_HOME"] = home;
  environment["HF_HUB_CACHE"] = home + "/hub";
  for (const char* offline : {"HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_DATASETS_OFFLINE",
                              "HF_HUB_DISABLE_TELEMETRY"}) {
    environment[offline] = "1";
  }
  return environment;
}

Status make_directory(const std::string& path) {
  std::error_code failure;
  fs::create_directory(path, failure);
  return failure ? base::errno_error(failure.value(), "create " + path) : base::ok();
}

Result<manifest::FileEntry> import_file(const fs::path& path, cas::Store& store,
                                        base::FileOps& files, const std::stop_token& stop) {
  CASTOOL_ASSIGN(const auto fd, files.open(AT_FDCWD, path.string(), O_RDONLY));
  CASTOOL_ASSIGN(auto ingest, store.begin_ingest());
  std::vector<std::byte> buffer(1u << 20);
  for (;;) {
    if (stop.stop_requested()) return make_error(Code::kCancelled, "interrupted");
    const ssize_t got = ::read(fd.get(), buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return base::errno_error(errno, "read " + path.string());
    if (got == 0) break;
    CASTOOL_RETURN_IF_ERROR(ingest.append(std::span(buffer).first(static_cast<std::size_t>(got))));
  }
  manifest::FileEntry entry;
  entry.size = ingest.size();
  CASTOOL_ASSIGN(entry.digest, ingest.commit());
  return entry;
}

Result<std::vector<manifest::FileEntry>> import_files(const std::string& output, cas::Store& store,
                                                      base::FileOps& files,
                                                      const std::stop_token& stop) {
  std::vector<manifest::FileEntry> imported;
  std::error_code failure;
  for (fs::recursive_directory_iterator at(output, failure), end; !failure && at != end;
       at.increment(failure)) {
    std::error_code unknown;
    if (fs::symlink_status(at->path(), unknown).type() != fs::file_type::regular) continue;
    CASTOOL_ASSIGN(auto entry, import_file(at->path(), store, files, stop));
    entry.path = at->path().lexically_relative(output).string();
    imported.push_back(std::move(entry));
  }
  if (failure) return base::errno_error(failure.value(), "look through " + output);
  if (imported.empty()) return make_error(Code::kUnsupported, "the conversion made no file");
  std::ranges::sort(imported, {}, &manifest::FileEntry::path);
  return imported;
}

class Converter {
 public:
  Converter(const pull::PullContext& parts, const pull::PullRequest& request,
            const PullModel& pull_model, CommandContext& context, const std::stop_token& stop)
      : parts_(parts), request_(request), pull_model_(pull_model), context_(context), stop_(stop) {}

  Result<pull::PullOutcome> run() {
    CASTOOL_ASSIGN(const std::string exporter, need_program("optimum-cli", context_));
    CASTOOL_ASSIGN(const std::string tokenizer, need_program("convert_tokenizer", context_));
    CASTOOL_ASSIGN(cas::RefStore refs, cas::RefStore::open(parts_.store, kNamespace));
    remove_forgotten(refs, context_.clock.wall_now());
    CASTOOL_ASSIGN(lease_, cas::Lease::take(parts_.store, stop_));
    CASTOOL_ASSIGN(const auto source, pull_source(refs, request_.source));
    id_ = manifest::ref_name(request_.source);
    name_ = request_.name.value_or(id_);
    CASTOOL_ASSIGN(old_, old_record());
    CASTOOL_RETURN_IF_ERROR(
        manifest::ovms_graph(source.task, pull::updated_options(old_, request_), "./"));
    if (is_converted(source)) return finish(source, {});
    CASTOOL_ASSIGN(const ScratchDirectory scratch, ScratchDirectory::create());
    const std::string home = scratch.path() + "/home";
    CASTOOL_RETURN_IF_ERROR(add_to_cache(source, id_, parts_.store, home + "/hub", context_.files));
    const Conversion conversion = conversion_of(source);
    if (!conversion.vocoder.empty()) {
      CASTOOL_RETURN_IF_ERROR(add_vocoder(refs, conversion.vocoder, home + "/hub"));
    }
    const std::string output = scratch.path() + "/output";
    const std::string temporary = scratch.path() + "/tmp";
    CASTOOL_RETURN_IF_ERROR(make_directory(temporary));
    const Variables environment = offline_environment(context_.variables, home, temporary);
    CASTOOL_ASSIGN(const auto words, export_command(conversion, output));
    CASTOOL_RETURN_IF_ERROR(run_shown(exporter, words, environment));
    const auto more = tokenizer_command(conversion, output);
    std::error_code unknown;
    if (more && !fs::exists(output + "/openvino_tokenizer.xml", unknown)) {
      CASTOOL_RETURN_IF_ERROR(run_shown(tokenizer, *more, environment));
    }
    CASTOOL_ASSIGN(auto files, import_files(output, parts_.store, context_.files, stop_));
    return finish(source, std::move(files));
  }

 private:
  Result<manifest::RefRecord> pull_source(cas::RefStore& refs, const manifest::Source& source) {
    const pull::PullContext parts = {parts_.store,   refs,         parts_.http, parts_.downloader,
                                     parts_.origins, parts_.clock, parts_.log};
    pull::PullRequest request = request_;
    const std::string id = manifest::ref_name(source);
    request.source = source;
    request.name = unique_name(id);
    request.extent = pull::Extent::kWhole;
    request.options.clear();
    const bool model = source == request_.source;
    request.task_wanted = model ? pull::TaskWanted::kAlways : pull::TaskWanted::kIfServable;
    // Options are judged by the graph of what comes out.
    CASTOOL_ASSIGN(const auto outcome, pull_model_(id, parts, request));
    CASTOOL_ASSIGN(auto record, find_record(refs, outcome.name));
    base::Status leased = lease(record);
    static_cast<void>(refs.remove(outcome.name));
    if (!leased) return base::failure(leased);
    return record;
  }

  Status lease(const manifest::RefRecord& record) {
    CASTOOL_ASSIGN(const auto bytes,
                   parts_.store.read_small(record.manifest, manifest::kMaxHubManifestBytes));
    CASTOOL_ASSIGN(const auto hub, manifest::parse_hub_manifest(bytes));
    std::vector<base::Digest> digests{record.manifest};
    digests.reserve(hub.files.size() + 1);
    for (const manifest::FileEntry& file : hub.files) digests.push_back(file.digest);
    return lease_->add(digests, stop_);
  }

  Status add_vocoder(cas::RefStore& refs, const std::string& id, const std::string& cache) {
    CASTOOL_ASSIGN(const auto source, manifest::parse_source(id, manifest::SourceKind::kHub));
    CASTOOL_ASSIGN(const auto record, pull_source(refs, source));
    return add_to_cache(record, manifest::ref_name(source), parts_.store, cache, context_.files);
  }

  Result<std::optional<manifest::RefRecord>> old_record() const {
    CASTOOL_ASSIGN(const auto text, parts_.refs.get(name_));
    if (!text) return std::optional<manifest::RefRecord>();
    auto record = manifest::parse_ref_record(*text);
    return record ? std::optional(*std::move(record)) : std::optional<manifest::RefRecord>();
  }

  bool is_converted(const manifest::RefRecord& source) const {
    if (!old_ || request_.recheck == pull::Recheck::kYes) return false;
    const bool same = std::ranges::all_of(kDecisive, [this](const char* name) {
      return option_of(old_->options, name) == option_of(request_.options, name);
    });
    return same && old_->revision == source.revision && old_->origin == source.origin &&
           old_->state == manifest::RefState::kComplete;
  }

  Conversion conversion_of(const manifest::RefRecord& source) const {
    Conversion conversion;
    conversion.task = source.task;
    conversion.source = id_;
    conversion.weight_format = option_of(request_.options, "weight-format");
    conversion.extra = option_of(request_.options, "extra_quantization_params");
    conversion.model_type = option_of(request_.options, "model_type");
    conversion.vocoder = option_of(request_.options, "vocoder");
    conversion.target_device = option_of(request_.options, "target_device");
    conversion.export_task = export_task(source.task, metadata_of(source, "config.json"),
                                         metadata_of(source, "model_index.json"));
    return conversion;
  }

  // The text of a file at the top of the source; empty if there is none.
  std::string metadata_of(const manifest::RefRecord& source, std::string_view path) const {
    constexpr std::uint64_t kMost = 4u << 20;
    const auto bytes = parts_.store.read_small(source.manifest, manifest::kMaxHubManifestBytes);
    if (!bytes) return {};
    const auto hub = manifest::parse_hub_manifest(*bytes);
    if (!hub) return {};
    const auto file = std::ranges::find(hub->files, path, &manifest::FileEntry::path);
    if (file == hub->files.end() || file->size > kMost) return {};
    return parts_.store.read_small(file->digest, kMost).value_or("");
  }

  Status run_shown(const std::string& program, const std::vector<std::string>& words,
                   const Variables& environment) {
    context_.log.info("{}: {}", name_, fmt::join(words, " "));
    const bool shown = !context_.settings.quiet && !context_.settings.json;
    return run_program(program, words, environment,
                       shown ? ChildOutput::kShown : ChildOutput::kDropped, stop_);
  }

  // The ref of the output; without files the old one with what `request` says now.
  Result<pull::PullOutcome> finish(const manifest::RefRecord& source,
                                   std::vector<manifest::FileEntry> files) {
    pull::PulledModel pulled;
    pulled.name = name_;
    pulled.task = source.task;
    pulled.now = context_.clock.wall_now();
    pulled.options = pull::updated_options(old_, request_);
    SilentReporter nobody;
    CASTOOL_RETURN_IF_ERROR(
        pull::attach_models(parts_, request_, pulled.options, pulled.attachments, nobody, stop_));
    if (files.empty()) {
      CASTOOL_ASSIGN(const auto bytes,
                     parts_.store.read_small(old_->manifest, manifest::kMaxHubManifestBytes));
      CASTOOL_ASSIGN(auto kept, manifest::parse_hub_manifest(bytes));
      files = std::move(kept.files);
    }
    CASTOOL_ASSIGN(pulled.manifest, put_manifest(source, files));
    pull::RemoteModel model;
    model.origin = source.origin;
    model.revision = source.revision;
    std::map<base::Digest, std::uint64_t> distinct;
    for (const manifest::FileEntry& file : files) {
      distinct[file.digest] = file.size;
      model.files.emplace_back().path = file.path;
    }
    for (const auto& [digest, size] : distinct) pulled.bytes += size;
    pulled.presence = {manifest::RefState::kComplete, pulled.bytes, pulled.bytes};
    const auto record = pull::updated_record(old_, request_, model, pulled);
    CASTOOL_RETURN_IF_ERROR(parts_.refs.put(name_, manifest::print_ref_record(record)));
    pull::PullOutcome outcome;
    outcome.name = name_;
    outcome.manifest = pulled.manifest;
    outcome.revision = source.revision;
    outcome.files = files.size();
    outcome.bytes = pulled.bytes;
    return outcome;
  }

  Result<base::Digest> put_manifest(const manifest::RefRecord& source,
                                    const std::vector<manifest::FileEntry>& files) {
    CASTOOL_ASSIGN(const auto bytes,
                   parts_.store.read_small(source.manifest, manifest::kMaxHubManifestBytes));
    CASTOOL_ASSIGN(auto hub, manifest::parse_hub_manifest(bytes));
    hub.files = files;
    return parts_.store.put(manifest::print_hub_manifest(hub));
  }

  const pull::PullContext& parts_;
  const pull::PullRequest& request_;
  const PullModel& pull_model_;
  CommandContext& context_;
  const std::stop_token& stop_;
  std::shared_ptr<cas::Lease> lease_;  // what was pulled here, until the ref is there
  std::string id_;                     // the source's, at the Hub
  std::string name_;
  std::optional<manifest::RefRecord> old_;
};

}  // namespace

Result<pull::PullOutcome> convert_model(const pull::PullContext& parts,
                                        const pull::PullRequest& request,
                                        const PullModel& pull_model, CommandContext& context,
                                        const std::stop_token& stop) {
  CASTOOL_RETURN_IF_ERROR(check_remote_code(request, context.variables));
  if (!std::holds_alternative<manifest::HubSource>(request.source)) {
    return make_error(Code::kUsage, "only repositories of the Hub can be converted",
                      "leave out --weight-format and --extra_quantization_params");
  }
  return Converter(parts, request, pull_model, context, stop).run();
}

}  // namespace castool::tools
