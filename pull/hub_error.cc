#include "pull/hub_error.h"

#include <fmt/format.h>

#include "manifest/hub_json.h"

namespace castool::pull {
namespace {

using base::Code;
using base::Error;
using base::make_error;

constexpr std::size_t kMaxSentence = 300;
constexpr std::string_view kDisabled = "Access to this resource is disabled.";
constexpr std::string_view kBadCredentials = "Invalid credentials in Authorization header";

std::string said(const HubAnswer& answer) {
  return answer.sentence.empty() ? std::string() : ": " + answer.sentence;
}

Error gated(const HubAnswer& answer, const HubQuestion& question) {
  std::string hint = fmt::format("accept the terms at {}/{}", question.endpoint, question.repo);
  if (question.caller == Caller::kAnonymous) hint += " and set HF_TOKEN";
  return make_error(Code::kGated, fmt::format("{} is gated{}", question.repo, said(answer)),
                    std::move(hint));
}

Error unauthorized(const HubAnswer& answer, const HubQuestion& question) {
  if (question.caller == Caller::kWithToken || answer.sentence == kBadCredentials) {
    return make_error(Code::kUnauthorized, fmt::format("the Hub refuses the token{}", said(answer)),
                      "check HF_TOKEN or log in again");
  }
  // The Hub does not tell strangers whether a repository exists.
  return make_error(Code::kNotFound,
                    fmt::format("{} does not exist or is private{}", question.repo, said(answer)),
                    "set HF_TOKEN if it is private");
}

Error not_found(const HubAnswer& answer, const HubQuestion& question) {
  if (answer.code == "RevisionNotFound") {
    return make_error(Code::kNotFound, fmt::format("{} has no revision '{}'{}", question.repo,
                                                   printable(question.revision), said(answer)));
  }
  if (answer.code == "EntryNotFound" || !question.path.empty()) {
    return make_error(Code::kNotFound,
                      fmt::format("{} has no file '{}' at {}", question.repo,
                                  printable(question.path), printable(question.revision)));
  }
  return make_error(Code::kNotFound,
                    fmt::format("{} does not exist{}", question.repo, said(answer)));
}

}  // namespace

std::string printable(std::string_view text) {
  std::string out;
  for (const char c : text.substr(0, kMaxSentence)) {
    const auto byte = static_cast<unsigned char>(c);
    out += byte < 0x20 || byte == 0x7f ? '?' : c;
  }
  return out;
}

HubAnswer hub_answer(const fetch::HttpResponse& response) {
  const fetch::Headers& headers = response.head.headers;
  HubAnswer answer;
  answer.status = response.head.status;
  answer.code = printable(headers.get("X-Error-Code").value_or(""));
  answer.sentence = printable(headers.get("X-Error-Message").value_or(""));
  if (answer.sentence.empty()) answer.sentence = manifest::error_sentence(response.body);
  answer.request_id = printable(headers.get("X-Request-Id").value_or(""));
  return answer;
}

Error hub_error(const HubAnswer& answer, const HubQuestion& question) {
  const int status = answer.status;
  if (answer.code == "RevisionNotFound" || answer.code == "EntryNotFound" ||
      answer.code == "RepoNotFound") {
    return not_found(answer, question);
  }
  if (answer.code == "GatedRepo") return gated(answer, question);
  if (answer.sentence == kDisabled) {
    return make_error(Code::kUnauthorized, question.repo + " is disabled by the Hub");
  }
  if (status == 401) return unauthorized(answer, question);
  if (status == 404 || status == 410) return not_found(answer, question);
  if (status == 451) {
    return make_error(Code::kUnauthorized, fmt::format("{} is blocked for legal reasons{}",
                                                       question.repo, said(answer)));
  }
  if (status == 403) {
    return make_error(Code::kUnauthorized,
                      fmt::format("the Hub refuses access to {}{}", question.repo, said(answer)));
  }
  if (status == 407) {
    return make_error(Code::kUnauthorized, "the proxy asks for a login",
                      "put it in HTTPS_PROXY as http://user:password@host:port");
  }
  if (status == 429) {
    return make_error(Code::kRateLimited, "the Hub asks to slow down" + said(answer),
                      question.caller == Caller::kAnonymous ? "HF_TOKEN raises the limit" : "");
  }
  std::string request =
      answer.request_id.empty() ? std::string() : " [request " + answer.request_id + "]";
  return make_error(Code::kUnavailable,
                    fmt::format("the Hub answered {}{}{}", status, said(answer), request));
}

Error not_an_api_error(std::string_view kind, std::string_view url) {
  Error error = make_error(Code::kUnavailable,
                           fmt::format("{} did not answer as {}", fetch::redacted(url), kind),
                           "a proxy or portal page?");
  error.url = fetch::redacted(url);
  return error;
}

}  // namespace castool::pull
