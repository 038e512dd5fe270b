// Who may see a repository, in the order in which the Hub decides (reference: error contract).
#pragma once

#include <optional>
#include <string>

#include "tests/support/hub/catalog.h"
#include "tests/support/hub/http.h"
#include "tests/support/hub/settings.h"

namespace castool::hub {

enum class Caller { kAnonymous, kBadToken, kValid };
[[nodiscard]] Caller caller_of(const Settings& settings, const Request& request);

// An error as the Hub words it: JSON for API paths, plain text for resolve.
[[nodiscard]] Response hub_error(bool is_api, int status, const std::string& code,
                                 const std::string& message);

// The refusal for this caller, or nothing. `repository` may be null: there is none. `content` is
// asked for by resolve, which alone looks at gates.
[[nodiscard]] std::optional<Response> refusal(const Settings& settings, const Request& request,
                                              const std::string& id, const Repository* repository,
                                              bool is_api, bool content);

}  // namespace castool::hub
