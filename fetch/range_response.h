// What an answer to a request for a part of a blob is worth. Pure.
//
// Only kPart and kWhole carry bytes of the blob, at a known offset; the bytes of every other answer
// are thrown away (rows 1-8, 35 and 40 of the fault catalogue).
#pragma once

#include <cstdint>
#include <optional>

#include "base/byte_range.h"
#include "fetch/http.h"

namespace castool::fetch {

enum class AnswerKind {
  kPart,          // bytes of `range`
  kWhole,         // the whole blob from offset 0: the range was ignored
  kWrongRange,    // not what was asked
  kWrongSize,     // of a blob of another size
  kEncoded,       // compressed although we asked for identity
  kPage,          // a web page in the blob's place: a proxy or a captive portal
  kOtherVersion,  // its ETag is not the one that was asked for
  kRedirect,
  kRefused,  // any other status
};

struct Answer {
  AnswerKind kind = AnswerKind::kRefused;
  base::ByteRange range;  // of kPart and kWhole: which bytes the body starts with and may carry
};

// `asked`: the range in the request; nullopt when the whole blob of `size` bytes was asked for.
[[nodiscard]] Answer judge(const ResponseHead& head, const std::optional<base::ByteRange>& asked,
                           std::uint64_t size);

}  // namespace castool::fetch
