// What an error answer of the Hub means, as one of our errors. Pure.
//
// The Hub tells some conditions by X-Error-Code, some only by status and sentence: a missing and a
// private repository look alike to an anonymous caller (401 without a code), a gated one answers
// 401 or 403 with a code. Facts: docs/semantics.md "The Hub", order of evaluation as its own
// client.
#pragma once

#include <string>
#include <string_view>

#include "base/error.h"
#include "fetch/http_client.h"

namespace castool::pull {

enum class Caller { kAnonymous, kWithToken };

// What was asked, for the sentence.
struct HubQuestion {
  std::string endpoint;
  std::string repo;
  std::string revision;
  std::string path;  // empty when it was not about a file
  Caller caller = Caller::kAnonymous;
};

struct HubAnswer {
  int status = 0;
  std::string code;        // X-Error-Code
  std::string sentence;    // X-Error-Message, else what the body says
  std::string request_id;  // X-Request-Id
};

[[nodiscard]] HubAnswer hub_answer(const fetch::HttpResponse& response);
[[nodiscard]] base::Error hub_error(const HubAnswer& answer, const HubQuestion& question);

// An answer that should have been JSON of the Hub and is a page of somebody else.
[[nodiscard]] base::Error not_an_api_error(std::string_view kind, std::string_view url);

// Text of an origin made fit for one line of a message: control characters replaced, cut short.
[[nodiscard]] std::string printable(std::string_view text);

}  // namespace castool::pull
