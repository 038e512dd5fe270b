#include "fetch/curl_socket.h"

#include <memory>

#include <curl/curl.h>
#include <fmt/format.h>

namespace castool::fetch {
namespace {

using base::Code;
using base::make_error;
using base::Result;

constexpr long kConnectSeconds = 10;

struct EasyCleanup {
  void operator()(CURL* easy) const noexcept { curl_easy_cleanup(easy); }
};
struct ListCleanup {
  void operator()(curl_slist* list) const noexcept { curl_slist_free_all(list); }
};

using Sink = std::function<void(std::string_view)>;

std::size_t on_bytes(char* data, std::size_t size, std::size_t count, void* sink) noexcept {
  try {
    (*static_cast<const Sink*>(sink))(std::string_view(data, size * count));
    return size * count;
  } catch (...) {  // out of memory; a short count ends the transfer
    return 0;
  }
}

int on_progress(void* stop, curl_off_t, curl_off_t, curl_off_t, curl_off_t) noexcept {
  return static_cast<const std::stop_token*>(stop)->stop_requested() ? 1 : 0;
}

}  // namespace

Result<int> ask_socket(const SocketQuestion& question, const Sink& sink,
                       const std::stop_token& stop) {
  const std::unique_ptr<CURL, EasyCleanup> easy(curl_easy_init());
  if (easy == nullptr) return make_error(Code::kInternal, "libcurl gives no handle");
  const std::string url = "http://localhost" + question.target;
  std::unique_ptr<curl_slist, ListCleanup> headers(
      curl_slist_append(nullptr, "Content-Type: application/json"));
  curl_easy_setopt(easy.get(), CURLOPT_UNIX_SOCKET_PATH, question.socket.c_str());
  curl_easy_setopt(easy.get(), CURLOPT_URL, url.c_str());
  curl_easy_setopt(easy.get(), CURLOPT_NOPROXY, "*");
  curl_easy_setopt(easy.get(), CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(easy.get(), CURLOPT_CONNECTTIMEOUT, kConnectSeconds);
  curl_easy_setopt(easy.get(), CURLOPT_HTTPHEADER, headers.get());
  if (!question.body.empty()) {
    curl_easy_setopt(easy.get(), CURLOPT_POSTFIELDSIZE_LARGE,
                     static_cast<curl_off_t>(question.body.size()));
    curl_easy_setopt(easy.get(), CURLOPT_POSTFIELDS, question.body.c_str());
  }
  curl_easy_setopt(easy.get(), CURLOPT_WRITEFUNCTION, on_bytes);
  curl_easy_setopt(easy.get(), CURLOPT_WRITEDATA, &sink);
  curl_easy_setopt(easy.get(), CURLOPT_NOPROGRESS, 0L);
  curl_easy_setopt(easy.get(), CURLOPT_XFERINFOFUNCTION, on_progress);
  curl_easy_setopt(easy.get(), CURLOPT_XFERINFODATA, &stop);
  const CURLcode code = curl_easy_perform(easy.get());
  if (code == CURLE_ABORTED_BY_CALLBACK) return make_error(Code::kCancelled, "interrupted");
  if (code == CURLE_COULDNT_CONNECT) {
    return make_error(Code::kUnavailable, question.socket + ": no server answers there",
                      "start one: castool serve --socket-listen " + question.socket);
  }
  if (code != CURLE_OK) {
    return make_error(Code::kUnavailable,
                      fmt::format("{}: {}", question.socket, curl_easy_strerror(code)));
  }
  long status = 0;
  curl_easy_getinfo(easy.get(), CURLINFO_RESPONSE_CODE, &status);
  return static_cast<int>(status);
}

}  // namespace castool::fetch
