#include <algorithm>
#include <cctype>
#include <charconv>
#include <memory>

#include <curl/curl.h>

#include "fetch/url.h"

namespace castool::fetch {
namespace {

struct UrlCleanup {
  void operator()(CURLU* url) const noexcept { curl_url_cleanup(url); }
};
using UrlHandle = std::unique_ptr<CURLU, UrlCleanup>;

base::Error bad_url(std::string_view url, std::string_view why) {
  base::Error error = base::make_error(base::Code::kUsage, "bad URL: " + std::string(why));
  error.url = redacted(url);
  return error;
}

// Characters that parsers disagree about, or that could start another header line.
bool has_odd_characters(std::string_view text) {
  return std::any_of(text.begin(), text.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte < 0x20 || byte == 0x7f || c == '\\';
  });
}

base::Result<UrlHandle> parse(std::string_view url, unsigned flags = 0) {
  if (has_odd_characters(url)) return bad_url(url, "control characters");
  UrlHandle handle(curl_url());
  if (!handle) return base::make_error(base::Code::kInternal, "out of memory");
  const CURLUcode code = curl_url_set(handle.get(), CURLUPART_URL, std::string(url).c_str(), flags);
  if (code != CURLUE_OK) return bad_url(url, curl_url_strerror(code));
  return handle;
}

// The part, or an empty string when the URL has none.
std::string part(CURLU* url, CURLUPart which, unsigned flags = 0) {
  char* text = nullptr;
  if (curl_url_get(url, which, &text, flags) != CURLUE_OK) return {};
  std::string value(text);
  curl_free(text);
  return value;
}

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  return text;
}

}  // namespace

base::Result<Origin> origin_of(std::string_view url) {
  CASTOOL_ASSIGN(const UrlHandle handle, parse(url));
  Origin origin;
  origin.scheme = lower(part(handle.get(), CURLUPART_SCHEME));
  if (origin.scheme != "http" && origin.scheme != "https") return bad_url(url, "not http or https");
  if (!part(handle.get(), CURLUPART_USER).empty() ||
      !part(handle.get(), CURLUPART_PASSWORD).empty()) {
    return bad_url(url, "a user name in it");
  }
  origin.host = lower(part(handle.get(), CURLUPART_HOST));
  if (origin.host.size() > 2 && origin.host.front() == '[') {
    origin.host = origin.host.substr(1, origin.host.size() - 2);
  }
  if (origin.host.empty()) return bad_url(url, "no host");
  const std::string port = part(handle.get(), CURLUPART_PORT, CURLU_DEFAULT_PORT);
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), origin.port);
  if (error != std::errc() || end != port.data() + port.size()) return bad_url(url, "bad port");
  return origin;
}

base::Result<std::string> join_url(std::string_view base, std::string_view location) {
  if (has_odd_characters(location)) return bad_url(location, "control characters");
  base = base.substr(0, base.find('#'));
  location = location.substr(0, location.find('#'));
  CASTOOL_ASSIGN(const UrlHandle handle, parse(base));
  if (!location.empty()) {
    // libcurl would write a space in a query as "+", which not every server reads back.
    std::string target;
    for (const char c : location) c == ' ' ? target.append("%20") : target.append(1, c);
    const CURLUcode code = curl_url_set(handle.get(), CURLUPART_URL, target.c_str(),
                                        CURLU_URLENCODE | CURLU_NON_SUPPORT_SCHEME);
    if (code != CURLUE_OK) return bad_url(location, curl_url_strerror(code));
  }
  return part(handle.get(), CURLUPART_URL);
}

}  // namespace castool::fetch
