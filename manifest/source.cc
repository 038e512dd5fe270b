#include "manifest/source.h"

#include <algorithm>
#include <utility>

#include "manifest/name_rules.h"
#include "manifest/printable.h"
#include "manifest/utf8.h"

namespace castool::manifest {
namespace {

constexpr std::string_view kHubExample = "write it as org/name or hf://org/name@revision";
constexpr std::string_view kOllamaExample =
    "write it as model:tag, namespace/model:tag or host/namespace/model:tag";

base::Error usage(std::string_view text, std::string_view what, std::string_view hint) {
  std::string message = "bad model name " + printable(text) + ": ";
  message += what;
  return base::make_error(base::Code::kUsage, std::move(message), std::string(hint));
}

bool take_prefix(std::string_view& text, std::string_view prefix) {
  if (!text.starts_with(prefix)) return false;
  text.remove_prefix(prefix.size());
  return true;
}

std::size_t count(std::string_view text, char c) {
  return static_cast<std::size_t>(std::ranges::count(text, c));
}

base::Result<Source> hub_source(std::string_view text, std::string_view repo,
                                std::string_view revision) {
  if (repo.starts_with("datasets/") || repo.starts_with("spaces/")) {
    return usage(text, "only model repositories of the Hub are pulled", kHubExample);
  }
  if (!is_hub_repo(repo)) return usage(text, "not a repository of the Hub", kHubExample);
  CASTOOL_RETURN_IF_ERROR(check_revision(revision));
  return Source(HubSource{std::string(repo), std::string(revision)});
}

// "org/name[@rev]" behind hf:// or without a scheme.
base::Result<Source> hub_name(std::string_view text, std::string_view name) {
  const std::size_t at = name.find('@');
  if (at == std::string_view::npos) return hub_source(text, name, kDefaultRevision);
  return hub_source(text, name.substr(0, at), name.substr(at + 1));
}

// The revision in a page's address: the Hub writes its slashes as %2F.
std::string revision_of_page(std::string_view revision) {
  std::string out;
  while (!revision.empty()) {
    if (revision.starts_with("%2F") || revision.starts_with("%2f")) {
      out.push_back('/');
      revision.remove_prefix(3);
    } else {
      out.push_back(revision.front());
      revision.remove_prefix(1);
    }
  }
  return out;
}

// "org/name[/tree/rev]" behind https://huggingface.co/.
base::Result<Source> hub_page(std::string_view text, std::string_view page) {
  if (page.ends_with('/')) page.remove_suffix(1);
  const std::size_t end = page.find('/', page.find('/') + 1);
  if (page.find('/') == std::string_view::npos || end == std::string_view::npos) {
    return hub_name(text, page);
  }
  std::string_view rest = page.substr(end);
  if (page.starts_with("datasets/") || page.starts_with("spaces/")) {
    return hub_source(text, page, kDefaultRevision);
  }
  const bool tree = take_prefix(rest, "/tree/");
  if (!tree || (rest.find('/') != std::string_view::npos && !rest.starts_with("refs/"))) {
    return usage(text, "this address names a part of a repository",
                 "pull the repository and choose files, as in: org/name --include 'folder/*'");
  }
  return hub_source(text, page.substr(0, end), revision_of_page(rest));
}

// "[host/][ns/]model[:tag]"; a ':' before the last '/' belongs to the host's port.
base::Result<Source> ollama_name(std::string_view text, std::string_view name,
                                 std::string_view scheme) {
  if (name.find('@') != std::string_view::npos) {
    return usage(text, "an Ollama model has a tag, not a revision",
                 "write model:tag, or hf://org/name@revision for the Hub");
  }
  const std::size_t slash = name.rfind('/');
  const std::size_t colon = name.rfind(':');
  std::string_view tag = kDefaultTag;
  if (colon != std::string_view::npos && (slash == std::string_view::npos || colon > slash)) {
    tag = name.substr(colon + 1);
    name = name.substr(0, colon);
  }
  if (count(name, '/') > 2) return usage(text, "too many parts", kOllamaExample);
  const std::string_view model = slash == std::string_view::npos ? name : name.substr(slash + 1);
  std::string_view before = slash == std::string_view::npos ? "" : name.substr(0, slash);
  std::string_view host = kDefaultHost;
  std::string_view ns = kDefaultNamespace;
  if (slash != std::string_view::npos) {
    const std::size_t cut = before.find('/');
    if (cut != std::string_view::npos) host = before.substr(0, cut);
    ns = cut == std::string_view::npos ? before : before.substr(cut + 1);
  }
  if (!is_ollama_host(host)) return usage(text, "bad host " + printable(host), kOllamaExample);
  if (!is_ollama_namespace(ns))
    return usage(text, "bad namespace " + printable(ns), kOllamaExample);
  if (!is_ollama_part(model)) return usage(text, "bad model " + printable(model), kOllamaExample);
  if (!is_ollama_part(tag)) return usage(text, "bad tag " + printable(tag), kOllamaExample);
  return Source(OllamaSource{std::string(scheme), std::string(host), std::string(ns),
                             std::string(model), std::string(tag)});
}

base::Result<Source> registry_url(std::string_view text, std::string_view rest,
                                  std::string_view scheme) {
  if (count(rest, '/') != 2) {
    return usage(text, "a registry's address needs host, namespace and model",
                 "write it as http://host/namespace/model:tag");
  }
  return ollama_name(text, rest, scheme);
}

// With https://huggingface.co/ a colon is a quantisation (the Hub as an Ollama registry).
bool is_hub_page(std::string_view rest, std::string_view& page) {
  for (const std::string_view host : {"huggingface.co/", "hf.co/"}) {
    page = rest;
    if (take_prefix(page, host)) return page.find(':') == std::string_view::npos;
  }
  return false;
}

bool looks_like_hub(std::string_view name) {
  const std::string_view before_revision = name.substr(0, name.find('@'));
  return count(before_revision, '/') == 1 && count(before_revision, ':') == 0;
}

base::Status check_characters(std::string_view text) {
  if (text.empty()) {
    return base::make_error(base::Code::kUsage, "no model name", std::string(kOllamaExample));
  }
  for (std::string_view rest = text; !rest.empty();) {
    const CodePoint point = first_code_point(rest);
    if (point.size == 0) return usage(text, "not UTF-8", kHubExample);
    if (point.value <= 0x20 || is_control(point.value)) {
      return usage(text, "a space or a control character", kHubExample);
    }
    rest.remove_prefix(point.size);
  }
  return base::ok();
}

}  // namespace

base::Result<Source> parse_source(std::string_view text, std::optional<SourceKind> from) {
  CASTOOL_RETURN_IF_ERROR(check_characters(text));
  std::string_view rest = text;
  std::string_view page;
  if (take_prefix(rest, "hf://")) return hub_name(text, rest);
  // "hf:x" without a slash is a model called hf.
  if (rest.find('/') != std::string_view::npos && take_prefix(rest, "hf:")) {
    return hub_name(text, rest);
  }
  if (take_prefix(rest, "ollama://")) return ollama_name(text, rest, "https");
  if (take_prefix(rest, "http://")) return registry_url(text, rest, "http");
  if (take_prefix(rest, "https://")) {
    return is_hub_page(rest, page) ? hub_page(text, page) : registry_url(text, rest, "https");
  }
  if (rest.find("://") != std::string_view::npos) {
    return usage(text, "an unknown scheme", "known are hf://, ollama://, https:// and http://");
  }
  const bool hub = from ? *from == SourceKind::kHub : looks_like_hub(rest);
  return hub ? hub_name(text, rest) : ollama_name(text, rest, "https");
}

base::Status check_revision(std::string_view revision) {
  constexpr std::size_t kMaxRevision = 255;
  constexpr std::string_view kRefused = " ~^:?*[\\%#\"'<>|`$&;";
  const auto bad = [revision](std::string_view rule) {
    std::string message = "bad revision " + printable(revision) + ": ";
    message += rule;
    return base::make_error(base::Code::kUsage, std::move(message),
                            "a branch, a tag, a commit or refs/pr/N, as in org/name@main");
  };
  if (revision.empty()) return bad("empty");
  if (revision.size() > kMaxRevision) return bad("over 255 bytes");
  if (revision.find("@{") != std::string_view::npos) return bad("\"@{\"");
  for (std::string_view rest = revision; !rest.empty();) {
    const CodePoint point = first_code_point(rest);
    if (point.size == 0 || is_control(point.value) ||
        kRefused.find(rest.front()) != std::string_view::npos) {
      return bad("a character that no revision has");
    }
    rest.remove_prefix(point.size);
  }
  for (std::size_t begin = 0; begin <= revision.size();) {
    const std::size_t end = std::min(revision.find('/', begin), revision.size());
    const std::string_view part = revision.substr(begin, end - begin);
    if (part.empty() || part.starts_with('.') || part.ends_with('.') || part.ends_with(".lock") ||
        part.find("..") != std::string_view::npos) {
      return bad("an empty part, or one with a dot in a wrong place");
    }
    begin = end + 1;
  }
  return base::ok();
}

}  // namespace castool::manifest
