#include "pull/attachments.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "base/hasher.h"
#include "fetch/address_scope.h"
#include "fetch/url.h"
#include "manifest/manifest.h"
#include "manifest/ovms_loras.h"
#include "manifest/ovms_options.h"
#include "manifest/path_rules.h"
#include "pull/attach.h"
#include "pull/fetch_model.h"
#include "pull/hub_error.h"
#include "pull/hub_source.h"
#include "pull/hub_urls.h"
#include "pull/leased_plan.h"

namespace castool::pull {
namespace {

using base::Code;
using base::Digest;
using base::make_error;
using base::Result;
using base::Status;
using manifest::Attachment;

constexpr std::uint64_t kMaxAddressBytes = std::uint64_t{64} << 30;

Result<manifest::HubSource> hub_source(const std::string& text, std::string_view option) {
  const auto source = manifest::parse_source(text, manifest::SourceKind::kHub);
  const auto* hub = source ? std::get_if<manifest::HubSource>(&*source) : nullptr;
  if (hub == nullptr) {
    return make_error(Code::kUsage, fmt::format("{}: {} is no repository", option, printable(text)),
                      "give it as org/name");
  }
  return *hub;
}

// "<endpoint>/org/name/resolve/<revision>/<path>" is a file of a repository.
bool read_hub_address(std::string_view endpoint, std::string_view address,
                      WantedAttachment& wanted) {
  const std::string prefix = std::string(endpoint) + "/";
  if (!address.starts_with(prefix)) return false;
  address.remove_prefix(prefix.size());
  constexpr std::string_view kResolve = "/resolve/";
  const std::size_t resolve = address.find(kResolve);
  if (resolve == std::string_view::npos) return false;
  const std::string_view rest = address.substr(resolve + kResolve.size());
  const std::size_t slash = rest.find('/');
  if (slash == std::string_view::npos || !manifest::check_path(rest.substr(slash + 1)))
    return false;
  const auto source = hub_source(std::string(address.substr(0, resolve)), "source_loras");
  if (!source) return false;
  wanted.source = {source->repo, std::string(rest.substr(0, slash))};
  wanted.files = {std::string(rest.substr(slash + 1))};
  wanted.flat = true;
  return true;
}

Result<WantedAttachment> wanted_adapter(const manifest::LoraAdapter& adapter,
                                        std::string_view endpoint) {
  WantedAttachment wanted;
  wanted.path = adapter.directory();
  if (adapter.origin == manifest::LoraOrigin::kAddress) {
    if (!read_hub_address(endpoint, adapter.source, wanted)) wanted.address = adapter.source;
    return wanted;
  }
  CASTOOL_ASSIGN(wanted.source, hub_source(adapter.source, "source_loras"));
  if (adapter.file.empty()) wanted.lone_adapter = true;
  if (!adapter.file.empty()) wanted.files = {adapter.file};
  return wanted;
}

std::vector<std::string> patterns_of(const WantedAttachment& wanted) {
  if (wanted.lone_adapter) return {"*.safetensors"};
  std::vector<std::string> patterns;
  for (const std::string& file : wanted.files) {
    patterns.push_back(manifest::literal_pattern(file));
  }
  return patterns;
}

Status check_files(const WantedAttachment& wanted, const RemoteModel& model) {
  if (wanted.lone_adapter && model.files.size() != 1) {
    return make_error(Code::kUsage,
                      fmt::format("source_loras: {} has {} .safetensors files", wanted.source.repo,
                                  model.files.size()),
                      fmt::format("name one: {}@{}", wanted.source.repo, model.files[0].path));
  }
  for (const std::string& file : wanted.files) {
    const auto named = [&](const RemoteFile& remote) { return remote.path == file; };
    if (std::ranges::none_of(model.files, named)) {
      return make_error(Code::kNotFound,
                        fmt::format("{} has no file {}", wanted.source.repo, printable(file)));
    }
  }
  return base::ok();
}

std::string base_name(const std::string& path) { return path.substr(path.rfind('/') + 1); }

Result<std::unique_ptr<ModelSource>> repository_source(const PullContext& context,
                                                       const WantedAttachment& wanted) {
  const Origins& origins = context.origins;
  CASTOOL_ASSIGN(auto access, hub_access(origins.hub_endpoint, origins.hub_token));
  return make_hub_source(wanted.source, {patterns_of(wanted), {}}, std::move(access), context.http,
                         context.clock);
}

// Plain HTTP that leaves this machine.
bool is_open_to_others(const std::string& address) {
  const auto origin = fetch::origin_of(address);
  return origin && origin->scheme == "http" &&
         fetch::scope_of_host(origin->host) != fetch::AddressScope::kLoopback;
}

class Attacher {
 public:
  Attacher(const PullContext& context, const PullRequest& request, PullEvents& events)
      : context_(context), request_(request), events_(events) {}

  Result<Attachment> fetch(const WantedAttachment& wanted, std::stop_token stop) {
    return wanted.address.empty() ? fetch_repository(wanted, std::move(stop))
                                  : fetch_address(wanted, std::move(stop));
  }

 private:
  Result<Attachment> fetch_repository(const WantedAttachment& wanted, std::stop_token stop) {
    CASTOOL_ASSIGN(const auto source, repository_source(context_, wanted));
    CASTOOL_ASSIGN(const RemoteModel model, source->resolve(stop));
    CASTOOL_RETURN_IF_ERROR(check_files(wanted, model));
    CASTOOL_ASSIGN(const auto plan, make_leased_plan(context_, model, Extent::kWhole, {}, stop));
    const FetchPace pace{request_.recheck, request_.connections};
    CASTOOL_ASSIGN(const auto fetched,
                   fetch_model(context_, *source, model, plan, pace, events_, std::move(stop)));
    Attachment attachment;
    attachment.path = wanted.path;
    attachment.source = manifest::source_text(wanted.source);
    attachment.origin = model.origin;
    attachment.revision = model.revision;
    for (const auto& [digest, size] : fetched.distinct) attachment.bytes += size;
    std::string bytes = source->manifest_bytes(fetched.digests);
    if (wanted.flat) {
      CASTOOL_ASSIGN(auto parsed, manifest::parse_hub_manifest(bytes));
      for (auto& file : parsed.files) file.path = base_name(file.path);
      bytes = manifest::print_hub_manifest(parsed);
    }
    CASTOOL_ASSIGN(attachment.manifest, context_.store.put(bytes));
    return attachment;
  }

  // A file that no Hub vouches for: what arrived is what it is.
  Result<Attachment> fetch_address(const WantedAttachment& wanted, std::stop_token stop) {
    if (is_open_to_others(wanted.address) && request_.plain_http == PlainHttp::kRefuse) {
      return make_error(Code::kUsage,
                        "source_loras: " + fetch::redacted(wanted.address) + ": plain HTTP",
                        "use https, or allow it with --insecure");
    }
    events_.on_status("pulling " + base_name(wanted.address));
    std::optional<cas::Ingest> ingest;
    fetch::FetchOptions options;
    options.max_body = kMaxAddressBytes;
    options.priority = fetch::Priority::kBackground;
    fetch::HttpRequest request;
    request.url = wanted.address;
    CASTOOL_ASSIGN(const auto response, context_.http.fetch_to(
                                            request, options,
                                            [&ingest] {
                                              ingest.reset();
                                              return base::ok();
                                            },
                                            [&](std::span<const std::byte> bytes) -> Status {
                                              if (!ingest) {
                                                CASTOOL_ASSIGN(ingest,
                                                               context_.store.begin_ingest());
                                              }
                                              return ingest->append(bytes);
                                            },
                                            std::move(stop)));
    if (response.head.status != 200 || !ingest) {
      return make_error(response.head.status == 404 ? Code::kNotFound : Code::kUnavailable,
                        fmt::format("source_loras: {}: answer {}", fetch::redacted(wanted.address),
                                    response.head.status));
    }
    const std::uint64_t size = ingest->size();
    CASTOOL_ASSIGN(const Digest digest, ingest->commit());
    return describe(wanted, digest, size);
  }

  Result<Attachment> describe(const WantedAttachment& wanted, const Digest& digest,
                              std::uint64_t size) {
    const std::size_t host_end = wanted.address.find('/', wanted.address.find("://") + 3);
    manifest::HubManifest made;
    made.endpoint = wanted.address.substr(0, host_end);
    made.repo = wanted.path;
    made.commit = digest.hex().substr(0, 40);
    made.files.push_back({base_name(wanted.address), digest, size, {}});
    Attachment attachment;
    attachment.path = wanted.path;
    attachment.source = wanted.address;
    attachment.origin = made.endpoint + " " + made.repo;
    attachment.revision = made.commit;
    attachment.bytes = size;
    CASTOOL_ASSIGN(attachment.manifest, context_.store.put(manifest::print_hub_manifest(made)));
    return attachment;
  }

  const PullContext& context_;
  const PullRequest& request_;
  PullEvents& events_;
};

// The graph names files; of an adapter that was given without one, it is known now.
Status complete_loras(const cas::Store& store, const std::vector<Attachment>& attachments,
                      std::map<std::string, std::string>& options) {
  const auto text = options.find("source_loras");
  if (text == options.end()) return base::ok();
  CASTOOL_ASSIGN(auto loras, manifest::parse_source_loras(text->second));
  for (manifest::LoraAdapter& adapter : loras.adapters) {
    if (adapter.origin != manifest::LoraOrigin::kHub || !adapter.file.empty()) continue;
    for (const Attachment& attachment : attachments) {
      if (attachment.path != adapter.directory()) continue;
      CASTOOL_ASSIGN(const auto bytes,
                     store.read_small(attachment.manifest, manifest::kMaxHubManifestBytes));
      CASTOOL_ASSIGN(const auto parsed, manifest::parse_hub_manifest(bytes));
      adapter.file = parsed.files.front().path;
    }
  }
  text->second = manifest::print_source_loras(loras);
  return base::ok();
}

// Two adapters of one repository share its directory.
Status add(WantedAttachment wanted, std::vector<WantedAttachment>& all) {
  const auto same = std::ranges::find(all, wanted.path, &WantedAttachment::path);
  if (same == all.end()) {
    all.push_back(std::move(wanted));
    return base::ok();
  }
  if (same->lone_adapter || wanted.lone_adapter) {
    return make_error(
        Code::kUsage,
        "source_loras: several adapters of " + wanted.source.repo + " need their files",
        "name them: " + wanted.source.repo + "@file.safetensors");
  }
  same->files.insert(same->files.end(), wanted.files.begin(), wanted.files.end());
  return base::ok();
}

}  // namespace

Result<std::vector<WantedAttachment>> wanted_attachments(
    const std::map<std::string, std::string>& options, std::string_view endpoint) {
  std::vector<WantedAttachment> all;
  if (const auto draft = manifest::option(options, "draft_source_model");
      draft && !draft->empty()) {
    WantedAttachment wanted;
    wanted.path = manifest::draft_directory(*draft);
    CASTOOL_ASSIGN(wanted.source, hub_source(*draft, "draft_source_model"));
    all.push_back(std::move(wanted));
  }
  CASTOOL_ASSIGN(const auto loras, manifest::parse_source_loras(
                                       manifest::option(options, "source_loras").value_or("")));
  for (const manifest::LoraAdapter& adapter : loras.adapters) {
    if (adapter.origin == manifest::LoraOrigin::kLocal) continue;
    CASTOOL_ASSIGN(auto wanted, wanted_adapter(adapter, endpoint));
    CASTOOL_RETURN_IF_ERROR(add(std::move(wanted), all));
  }
  std::ranges::sort(all, {}, &WantedAttachment::path);
  return all;
}

Status attach_models(const PullContext& context, const PullRequest& request,
                     std::map<std::string, std::string>& options,
                     std::vector<Attachment>& attachments, PullEvents& events,
                     std::stop_token stop) {
  CASTOOL_ASSIGN(const std::string endpoint,
                 clean_endpoint(context.origins.hub_endpoint, "HF_ENDPOINT"));
  CASTOOL_ASSIGN(const auto all, wanted_attachments(options, endpoint));
  Attacher attacher(context, request, events);
  for (const WantedAttachment& wanted : all) {
    auto attachment = attacher.fetch(wanted, stop);
    if (!attachment) return std::move(attachment).error().in(wanted.path);
    attachments.push_back(*std::move(attachment));
  }
  return complete_loras(context.store, attachments, options);
}

Status plan_attachments(const PullContext& context,
                        const std::map<std::string, std::string>& options,
                        std::vector<PlannedFile>& planned, const std::stop_token& stop) {
  CASTOOL_ASSIGN(const std::string endpoint,
                 clean_endpoint(context.origins.hub_endpoint, "HF_ENDPOINT"));
  CASTOOL_ASSIGN(const auto all, wanted_attachments(options, endpoint));
  for (const WantedAttachment& wanted : all) {
    if (!wanted.address.empty()) continue;
    CASTOOL_ASSIGN(const auto source, repository_source(context, wanted));
    CASTOOL_ASSIGN(const RemoteModel model, source->resolve(stop));
    CASTOOL_RETURN_IF_ERROR(check_files(wanted, model));
    CASTOOL_ASSIGN(auto plan, make_plan(context.store, model, Extent::kWhole));
    CASTOOL_RETURN_IF_ERROR(
        apply_attach_rule(context.store, context.refs, {}, model, Extent::kWhole, plan));
    for (PlannedFile& file : planned_files(model, plan)) {
      file.path = wanted.path + "/" + (wanted.flat ? base_name(file.path) : file.path);
      planned.push_back(std::move(file));
    }
  }
  return base::ok();
}

}  // namespace castool::pull
