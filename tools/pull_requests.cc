#include "tools/pull_requests.h"

#include <fmt/format.h>

#include "fetch/url.h"

namespace castool::tools {
namespace {

using base::Code;
using base::make_error;
using base::Result;
using base::Status;

std::string label_of(const std::string& text) {
  return text.find("://") == std::string::npos ? text : fetch::redacted(text);
}

// --revision, unless the source names another one.
Status apply_revision(const std::string& text, const std::string& revision,
                      manifest::HubSource& source) {
  const bool has_revision = text.find('@') != std::string::npos;
  if (has_revision && source.revision != revision) {
    return make_error(Code::kUsage, fmt::format("revision {} and --revision {} contradict",
                                                source.revision, revision));
  }
  source.revision = revision;
  return base::ok();
}

Status refuse_hub_options(const PullArguments& arguments) {
  const char* option = nullptr;
  if (arguments.revision) option = "--revision";
  if (!arguments.include.empty()) option = "--include";
  if (!arguments.exclude.empty()) option = "--exclude";
  if (option == nullptr) return base::ok();
  return make_error(
      Code::kUsage,
      fmt::format("{} is for repositories of the Hub, this is an Ollama model", option),
      "another tag is another version; --from hf for a repository");
}

Result<pull::PullRequest> make_request(const std::string& text, const PullArguments& arguments) {
  pull::PullRequest request;
  CASTOOL_ASSIGN(request.source, manifest::parse_source(text, arguments.from));
  if (auto* hub = std::get_if<manifest::HubSource>(&request.source); hub == nullptr) {
    CASTOOL_RETURN_IF_ERROR(refuse_hub_options(arguments));
  } else if (arguments.revision) {
    if (arguments.revision->empty()) return make_error(Code::kUsage, "--revision: it is empty");
    CASTOOL_RETURN_IF_ERROR(apply_revision(text, *arguments.revision, *hub));
  }
  if (arguments.name) {
    auto name = manifest::parse_custom_name(*arguments.name);
    if (!name) return std::move(name).error().in("--name " + *arguments.name);
    request.name = *std::move(name);
  }
  request.include = arguments.include;
  request.exclude = arguments.exclude;
  request.mode = arguments.dry_run ? pull::Mode::kDryRun : pull::Mode::kFetch;
  request.recheck = arguments.force ? pull::Recheck::kYes : pull::Recheck::kNo;
  request.plain_http = arguments.insecure ? pull::PlainHttp::kAllow : pull::PlainHttp::kRefuse;
  return request;
}

}  // namespace

Result<std::vector<NamedRequest>> pull_requests(const PullArguments& arguments) {
  std::vector<NamedRequest> requests;
  for (const std::string& text : arguments.sources) {
    NamedRequest& named = requests.emplace_back();
    named.label = label_of(text);
    auto request = make_request(text, arguments);
    if (!request) return std::move(request).error().in(named.label);
    named.request = *std::move(request);
  }
  return requests;
}

}  // namespace castool::tools
