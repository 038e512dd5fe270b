// The NDJSON of one streaming /api/pull.
#pragma once

#include <memory>
#include <string>

#include "api/http.h"
#include "api/pull_hub.h"

namespace castool::api {

// What the end of a pull is told with: Ollama's words, or castool's as well.
enum class Details { kNo, kYes };

// `store` is kept out of error texts. Layers under way get a line at least every 100 ms.
[[nodiscard]] std::unique_ptr<BodyStream> make_pull_stream(std::unique_ptr<PullWatcher> watcher,
                                                           std::string store, Details details);

}  // namespace castool::api
