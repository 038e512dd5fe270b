#include "tests/support/hub/hub_access.h"

#include <algorithm>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace castool::hub {
namespace {

bool contains(const std::vector<std::string>& list, const std::string& value) {
  return std::find(list.begin(), list.end(), value) != list.end();
}

Response missing_or_private(bool is_api) {
  Response response = hub_error(is_api, 401, "", "Invalid username or password.");
  response.headers.add("WWW-Authenticate",
                       "Bearer realm=\"Authentication required\", charset=\"UTF-8\"");
  return response;
}

}  // namespace

Caller caller_of(const Settings& settings, const Request& request) {
  if (request.headers.find("Authorization") == nullptr) return Caller::kAnonymous;
  const std::string token = request.bearer();
  const bool valid =
      !token.empty() && (settings.tokens.empty() || contains(settings.tokens, token));
  return valid ? Caller::kValid : Caller::kBadToken;
}

Response hub_error(bool is_api, int status, const std::string& code, const std::string& message) {
  Response response = is_api ? Response::json(status, nlohmann::json{{"error", message}}.dump())
                             : Response::text(status, message);
  if (!code.empty()) response.headers.add("X-Error-Code", code);
  response.headers.add("X-Error-Message", message);
  return response;
}

std::optional<Response> refusal(const Settings& settings, const Request& request,
                                const std::string& id, const Repository* repository, bool is_api,
                                bool content) {
  const Caller caller = caller_of(settings, request);
  const bool known = repository != nullptr && !repository->refs.empty();
  const bool granted = known && caller == Caller::kValid &&
                       (!repository->limited || contains(repository->tokens, request.bearer()));
  if (known && content && !repository->gated.empty() && !repository->is_private && !granted) {
    if (caller == Caller::kValid) {
      return hub_error(is_api, 403, "GatedRepo",
                       fmt::format("Access to model {} is restricted and you are not in the "
                                   "authorized list. Visit https://huggingface.co/{} to ask for "
                                   "access.",
                                   id, id));
    }
    return hub_error(is_api, 401, "GatedRepo",
                     fmt::format("Access to model {} is restricted. You must have access to it and "
                                 "be authenticated to access it. Please log in.",
                                 id));
  }
  if (caller == Caller::kBadToken) {
    return hub_error(is_api, 401, "", "Invalid credentials in Authorization header");
  }
  if (!known || (repository->is_private && !granted)) {
    if (caller == Caller::kAnonymous) return missing_or_private(is_api);
    return hub_error(is_api, 404, "RepoNotFound", "Repository not found");
  }
  if (repository->disabled && content) {
    return hub_error(is_api, 403, "", "Access to this resource is disabled.");
  }
  return std::nullopt;
}

}  // namespace castool::hub
