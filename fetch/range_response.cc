#include "fetch/range_response.h"

#include <charconv>
#include <string>

#include "fetch/content_range.h"
#include "fetch/redirect_policy.h"

namespace castool::fetch {
namespace {

bool is_encoded(const Headers& headers) {
  const auto encoding = headers.get("Content-Encoding");
  return encoding && !encoding->empty() && *encoding != "identity";
}

bool has_type(const Headers& headers, std::string_view type) {
  const auto value = headers.get("Content-Type");
  return value && value->starts_with(type);
}

std::optional<std::uint64_t> content_length(const Headers& headers) {
  const auto text = headers.get("Content-Length");
  if (!text) return std::nullopt;
  std::uint64_t length = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), length);
  if (error != std::errc() || end != text->data() + text->size()) return std::nullopt;
  return length;
}

Answer judge_whole(const ResponseHead& head, std::uint64_t size) {
  const auto length = content_length(head.headers);
  if (length && *length != size) {
    return {has_type(head.headers, "text/html") ? AnswerKind::kPage : AnswerKind::kWrongSize, {}};
  }
  return {AnswerKind::kWhole, {0, size}};
}

Answer judge_part(const ResponseHead& head, const base::ByteRange& asked, std::uint64_t size) {
  if (has_type(head.headers, "multipart/")) return {AnswerKind::kWrongRange, {}};
  const auto header = head.headers.get("Content-Range");
  // A 206 that does not say which bytes it has is as good as an ignored range.
  if (!header) return {AnswerKind::kWhole, {}};
  const auto parsed = parse_content_range(*header);
  if (!parsed) return {AnswerKind::kWrongRange, {}};
  if (parsed->total && *parsed->total != size) return {AnswerKind::kWrongSize, {}};
  if (parsed->range.offset != asked.offset || parsed->range.end() > asked.end()) {
    return {AnswerKind::kWrongRange, {}};
  }
  return {AnswerKind::kPart, parsed->range};
}

}  // namespace

Answer judge(const ResponseHead& head, const std::optional<base::ByteRange>& asked,
             std::uint64_t size) {
  if (is_redirect(head.status)) return {AnswerKind::kRedirect, {}};
  if (head.status != 200 && head.status != 206) return {AnswerKind::kRefused, {}};
  if (is_encoded(head.headers)) return {AnswerKind::kEncoded, {}};
  if (head.status == 200) return judge_whole(head, size);
  if (!asked) return {AnswerKind::kWrongRange, {}};
  return judge_part(head, *asked, size);
}

}  // namespace castool::fetch
