// The Hub's HTTP API, in the shapes of tests/data/hub: model info, paged trees, refs, paths-info
// and resolve with its three kinds of answer, its errors in the Hub's order of evaluation.
//
// Any thread; every call works on the catalog and the settings of its moment.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>

#include "base/mutex.h"
#include "tests/support/hub/catalog.h"
#include "tests/support/hub/http.h"
#include "tests/support/hub/settings.h"
#include "tests/support/hub/signed_urls.h"

namespace castool::hub {

// Where the origins are, and what they have: one request's view of the hub.
struct Context {
  std::string hub_url;
  std::string cdn_url;
  Settings settings;
  std::shared_ptr<const Catalog> catalog;
};

class HubApi {
 public:
  explicit HubApi(const SignedUrls& signed_urls) : signed_urls_(signed_urls) {}

  // /api/... and /<id>/resolve/<rev>/<path>; nothing if the path is none of the Hub's.
  [[nodiscard]] std::optional<Response> handle(const Context& context, const Request& request);

 private:
  // A request for one repository, taken apart: /api/models/<id>/<action>/<revision>/<path>, or
  // /<id>/resolve/<revision>/<path>.
  struct Call {
    std::string id;
    std::string action;  // empty: model info
    std::string revision = "main";
    std::string path;
    bool is_api = true;
    bool cached = false;  // /api/resolve-cache/..., where a 307 of resolve led
    std::string rest;     // of the request's path after the id, as sent
  };
  [[nodiscard]] static std::optional<Call> parse(const std::string& path);

  [[nodiscard]] Response answer(const Context& context, const Request& request, const Call& call);
  [[nodiscard]] static Response info(const std::string& id, const Repository& repository,
                                     const Commit& commit, const Request& request);
  [[nodiscard]] static Response tree(const Context& context, const Request& request,
                                     const Call& call, const Commit& commit);
  [[nodiscard]] static Response refs(const Repository& repository);
  [[nodiscard]] static Response paths_info(const Request& request, const Commit& commit);
  [[nodiscard]] Response resolve(const Context& context, const Request& request, const Call& call,
                                 const Repository& repository, const Commit& commit) const;
  [[nodiscard]] Response redirect_to_cdn(const Context& context, const Call& call,
                                         const HubFile& file, const Commit& commit) const;

  // Counts the request in its window; a 429 if the window is used up and enforced, else the headers
  // to add.
  struct Quota {
    bool exceeded = false;
    std::string left;
    std::string policy;
  };
  [[nodiscard]] Quota count(const Settings& settings, const Request& request, bool is_api);

  const SignedUrls& signed_urls_;
  struct Window {
    std::uint64_t used = 0;
    std::chrono::steady_clock::time_point end;
  };
  base::Mutex mutex_;
  std::map<std::string, Window> windows_ CASTOOL_GUARDED_BY(mutex_);  // by bucket and token
};

}  // namespace castool::hub
