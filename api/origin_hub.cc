// The Hub's side of an origin.
#include <algorithm>
#include <charconv>
#include <optional>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "api/errors.h"
#include "api/origin.h"
#include "api/origin_json.h"
#include "api/origin_path.h"
#include "manifest/source.h"

namespace castool::api {
namespace {

using base::Code;

// As the Hub says it; `code` is of X-Error-Code.
Reply hub_error(int status, std::string_view code, std::string_view message) {
  Reply reply = error_reply(status, message);
  if (!code.empty()) reply.headers.emplace_back("X-Error-Code", code);
  reply.headers.emplace_back("X-Error-Message", message);
  return reply;
}

Reply no_revision(std::string_view revision) {
  return hub_error(404, "RevisionNotFound", fmt::format("Invalid rev id: {}", revision));
}

// Why there is no repository to answer about.
Reply absence(const base::Error& error, std::string_view revision, const std::string& store) {
  switch (error.code) {
    case Code::kNotFound:
    case Code::kUsage:
      return revision == "main" ? hub_error(404, "RepoNotFound", "Repository not found")
                                : no_revision(revision);
    case Code::kGated: return hub_error(403, "GatedRepo", "Access to this model is restricted");
    case Code::kUnauthorized: return hub_error(401, "RepoNotFound", "Repository not found");
    default: return hub_error(502, "", error_text(error, store));
  }
}

// The revision that the model was pulled at, as it was named.
std::string pulled_revision(const manifest::RefRecord& record) {
  const auto source = manifest::parse_source(record.source);
  const auto* hub = source ? std::get_if<manifest::HubSource>(&*source) : nullptr;
  return hub == nullptr ? std::string() : hub->revision;
}

// What follows the revision in "<revision>[/<rest>]", where the revision is one that is here:
// its commit or its name, which may have slashes of its own.
std::optional<std::string_view> behind_revision(const Catalog::Repository& repository,
                                                std::string_view text) {
  for (const std::string& known : {repository.hub->commit, pulled_revision(repository.record)}) {
    std::string_view rest = text;
    if (known.empty() || !take_prefix(rest, known)) continue;
    if (rest.empty() || take_prefix(rest, "/")) return rest;
  }
  return std::nullopt;
}

std::size_t number_or(const std::optional<std::string>& text, std::size_t fallback) {
  std::size_t number = 0;
  if (!text) return fallback;
  const auto [end, failure] = std::from_chars(text->data(), text->data() + text->size(), number);
  return failure == std::errc() && end == text->data() + text->size() ? number : fallback;
}

// One part of a path, of which nothing means anything in an address.
std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '-' || c == '_' || c == '.';
    out += plain ? std::string(1, c) : fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return out;
}

}  // namespace

base::Result<Catalog::Repository> Origin::find_repository(const Request& request,
                                                          std::string_view repo,
                                                          std::string_view revision) {
  auto found = catalog_.find_repository(repo, offered());
  if (found || found.error().code != Code::kNotFound || through_ == nullptr) return found;
  const auto source = requested_source(fmt::format("hf://{}@{}", repo, revision));
  if (!source) return base::failure(source);
  CASTOOL_RETURN_IF_ERROR(through_->bring(*source, request.gone));
  return catalog_.find_repository(repo, offered());
}

Reply Origin::repository(const Request& request, std::string_view path) {
  std::string_view repo = path, revision = "main", what = "info";
  if (split_at(path, "/revision/", repo, revision)) {
    what = "info";
  } else if (split_at(path, "/tree/", repo, revision)) {
    what = "tree";
  } else {
    repo = path;
    revision = "main";
    if (path.ends_with("/refs")) {
      repo.remove_suffix(std::string_view("/refs").size());
      what = "refs";
    }
  }
  const auto found = find_repository(request, repo, revision);
  if (!found) return absence(found.error(), revision, store_.root());
  if (what == "refs") return json_reply(refs_body(*found->hub, pulled_revision(found->record)));
  // Who names no revision means whichever is here.
  const bool unnamed = what == "info" && repo == path;
  const auto rest = unnamed ? std::string_view() : behind_revision(*found, revision);
  if (!rest || (what == "info" && !rest->empty())) return no_revision(revision);
  if (what == "tree") {
    revision.remove_suffix(rest->empty() ? 0 : rest->size() + 1);
    return tree(request, *found, revision, *rest);
  }
  const bool blobs = query_value(request.query, "blobs").has_value();
  return json_reply(repo_info_body(*found->hub, blobs ? WithBlobs::kYes : WithBlobs::kNo));
}

Reply Origin::tree(const Request& request, const Catalog::Repository& repository,
                   std::string_view revision, std::string_view folder) const {
  const std::string asked = query_value(request.query, "recursive").value_or("false");
  const bool all = asked == "true" || asked == "True" || asked == "1";
  TreePlace place;
  place.folder = folder;
  place.first = number_or(query_value(request.query, "cursor"), 0);
  place.most = std::clamp<std::size_t>(
      number_or(query_value(request.query, "limit"), kMostTreeEntries), 1, kMostTreeEntries);
  const auto page = tree_page(*repository.hub, all ? Recursive::kYes : Recursive::kNo, place);
  if (!page.known) return hub_error(404, "EntryNotFound", "Entry not found");
  Reply reply = json_reply(page.body);
  if (page.next == 0 || !request.host) return reply;
  reply.headers.emplace_back(
      "Link",
      fmt::format(
          "<http://{}/api/models/{}/tree/{}{}?recursive={}&limit={}&cursor={}>; rel=\"next\"",
          *request.host, repository.hub->repo, escaped(revision),
          folder.empty() ? "" : '/' + escaped(folder), all, place.most, page.next));
  return reply;
}

Reply Origin::resolve(const Request& request, std::string_view repo, std::string_view rest) {
  // A name with slashes is only known once the repository is: until then it is one without.
  const auto found = find_repository(request, repo, rest.substr(0, rest.find('/')));
  if (!found) return absence(found.error(), rest.substr(0, rest.find('/')), store_.root());
  const auto path = behind_revision(*found, rest);
  if (!path || path->empty()) return no_revision(rest.substr(0, rest.find('/')));
  const auto& files = found->hub->files;
  const auto file = std::ranges::find(files, *path, &manifest::FileEntry::path);
  auto made = file == files.end() ? base::Result<std::optional<Reply>>(std::optional<Reply>())
                                  : blob_reply(request, {found->record, file->digest, file->size});
  Reply reply;
  if (!made) {
    log_.warn("{}: {}", found->record.name, made.error().text());
    reply = hub_error(502, "", error_text(made.error(), store_.root()));
  } else if (!*made) {
    reply = hub_error(404, "EntryNotFound", "Entry not found");
  } else {
    reply = **std::move(made);
    reply.headers.emplace_back("ETag", '"' + etag_of(*file) + '"');
    if (!file->git_oid) {
      reply.headers.emplace_back("X-Linked-Etag", '"' + etag_of(*file) + '"');
      reply.headers.emplace_back("X-Linked-Size", std::to_string(file->size));
    }
  }
  reply.headers.emplace_back("X-Repo-Commit", found->hub->commit);
  return reply;
}

}  // namespace castool::api
