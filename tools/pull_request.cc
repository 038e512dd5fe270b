#include "tools/pull_request.h"

#include <algorithm>

#include <fmt/format.h>

#include "fetch/url.h"
#include "manifest/path_rules.h"

namespace castool::tools {
namespace {

using base::Code;
using base::make_error;
using base::Result;
using base::Status;

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

// Messages quote what was typed, which may have a password in it.
base::Error without_secrets(base::Error error, const std::string& source) {
  const std::string label = source_label(source);
  if (label == source) return error;
  for (std::size_t at = 0; (at = error.message.find(source, at)) != std::string::npos;) {
    error.message.replace(at, source.size(), label);
    at += label.size();
  }
  return error;
}

}  // namespace

std::string source_label(const std::string& source) {
  return source.find("://") == std::string::npos ? source : fetch::redacted(source);
}

Result<pull::PullRequest> pull_request(const std::string& source, const PullArguments& arguments) {
  pull::PullRequest request;
  auto parsed = manifest::parse_source(source, arguments.from);
  if (!parsed) return without_secrets(std::move(parsed).error(), source);
  request.source = *std::move(parsed);
  if (auto* hub = std::get_if<manifest::HubSource>(&request.source); hub == nullptr) {
    CASTOOL_RETURN_IF_ERROR(refuse_hub_options(arguments));
  } else if (arguments.revision) {
    if (arguments.revision->empty()) return make_error(Code::kUsage, "--revision: it is empty");
    CASTOOL_RETURN_IF_ERROR(apply_revision(source, *arguments.revision, *hub));
  }
  if (arguments.name) {
    auto name = manifest::parse_custom_name(*arguments.name);
    if (!name) return std::move(name).error().in("--name " + *arguments.name);
    request.name = *std::move(name);
  }
  request.include = arguments.include;
  request.exclude = arguments.exclude;
  request.mode = arguments.dry_run ? pull::Mode::kDryRun : pull::Mode::kFetch;
  request.extent = arguments.lazy ? pull::Extent::kLazy : pull::Extent::kWhole;
  request.recheck = arguments.force ? pull::Recheck::kYes : pull::Recheck::kNo;
  request.asked = arguments.asked;
  request.connections = arguments.connections;
  request.plain_http = arguments.insecure ? pull::PlainHttp::kAllow : pull::PlainHttp::kRefuse;
  return request;
}

Result<pull::PullRequest> pull_request(const std::string& source, const PullArguments& arguments,
                                       const OvmsRequest& ovms) {
  CASTOOL_ASSIGN(pull::PullRequest request, pull_request(source, arguments));
  const bool hub = std::holds_alternative<manifest::HubSource>(request.source);
  if (!ovms.gguf_files.empty()) {
    if (!hub) return make_error(Code::kUsage, "--gguf_filename is for repositories of the Hub");
    for (const std::string& file : ovms.gguf_files) {
      request.include.push_back(manifest::literal_pattern(file));
    }
    request.required = ovms.gguf_files;
  }
  request.task = ovms.task;
  request.options = ovms.options;
  request.served_name = ovms.model_name;
  // A conversion is made anew when the directory that it went to is to be overwritten.
  if (ovms.convert && ovms.overwrite) request.recheck = pull::Recheck::kYes;
  const bool described = ovms.as_ovms || !ovms.options.empty();
  if (described) request.task_wanted = pull::TaskWanted::kAlways;
  if (ovms.as_ovms) request.options_change = pull::OptionsChange::kReplace;
  return request;
}

}  // namespace castool::tools
