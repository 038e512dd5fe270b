#include "api/http_connection.h"

#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <functional>
#include <string>
#include <utility>

#include <httplib.h>

#include "api/socket_stream.h"

namespace castool::api {
namespace {

std::optional<std::string> header(const httplib::Request& request, const char* name) {
  if (!request.has_header(name)) return std::nullopt;
  return request.get_header_value(name);
}

// 0 for what is none: the library refuses it.
std::uint64_t number(std::string_view text) {
  std::uint64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

// Whether the end of a request is where everybody would see it. If it is not, what follows may be
// part of a body, and is never taken for a request (RFC 9112, 6.3).
enum class Framing { kClear, kUnread, kDoubtful };  // kUnread: a body where the library sees none

Framing framing_of(const httplib::Request& request) {
  const std::size_t lengths = request.get_header_value_count("Content-Length");
  const std::size_t codings = request.get_header_value_count("Transfer-Encoding");
  if (lengths + codings == 0) return Framing::kClear;
  if (lengths + codings > 1) return Framing::kDoubtful;
  const std::string length = request.get_header_value("Content-Length");
  const std::string coding = request.get_header_value("Transfer-Encoding");
  constexpr std::string_view kDigits = "0123456789";
  const bool clear = codings == 1 ? ::strcasecmp(coding.c_str(), "chunked") == 0
                                  : !length.empty() && length.size() < kDigits.size() * 2 &&
                                        length.find_first_not_of(kDigits) == std::string::npos;
  if (!clear) return Framing::kDoubtful;
  const bool reads =
      request.method != "GET" && request.method != "HEAD" && request.method != "OPTIONS";
  return reads || length == "0" ? Framing::kClear : Framing::kUnread;
}

// A server of the library's for one connection: only its parser and its writer are used, no socket
// or thread of its own. Everything goes to one handler.
class HttpConnection final : private httplib::Server {
 public:
  HttpConnection(SocketStream& stream, const ConnectionContext& context)
      : stream_(stream), context_(context) {
    svr_sock_ = stream.socket();  // to the library: not shutting down
    set_payload_max_length(context.limits.body_bytes);
    const auto answer = [this](const httplib::Request& request, httplib::Response& response) {
      handle(request, response);
    };
    // Every path became "/", so that no long one meets std::regex.
    Get("/", answer);
    Post("/", answer);
    Put("/", answer);
    Patch("/", answer);
    Delete("/", answer);
    Options("/", answer);
    set_error_handler(Handler([](const httplib::Request&, httplib::Response& response) {
      if (response.body.empty()) explain(response);
    }));
  }

  // False when the connection is over.
  bool serve_one() {
    if (!stream_.wait_for_request(context_.limits.idle)) return false;
    const bool last = context_.keep_alive() == KeepAlive::kNo;
    stream_.begin_request();
    handled_ = false;
    bool closed = false;
    const bool answered = process(*this, last, closed);
    // Behind a request that was refused half read nothing can be told apart.
    return answered && handled_ && !closed && !last && !stream_.failed();
  }

 private:
  // The library of Debian 12 (0.11) is given the connection, that of Debian 13 (0.18) also its two
  // addresses, which nothing here asks it for.
  template <typename Self>
  static bool process(Self& self, bool last, bool& closed) {
    const std::function<void(httplib::Request&)> setup = [&self](httplib::Request& request) {
      self.take_over(request);
    };
    if constexpr (requires { self.process_request(self.stream_, last, closed, setup); }) {
      return self.process_request(self.stream_, last, closed, setup);
    } else {
      return self.process_request(self.stream_, "", 0, "", 0, last, closed, setup);
    }
  }

  static void explain(httplib::Response& response) {
    const std::string_view text = response.status == 413   ? "the request is too large"
                                  : response.status == 404 ? "not found"
                                                           : "bad request";
    Reply reply = error_reply(response.status, text);
    response.set_content(reply.body, reply.content_type);
  }

  // The head is read: keeps what the routes need and takes away what the library would act on.
  void take_over(httplib::Request& request) {
    request_ = Request();
    request_.method = request.method;
    const std::size_t question = request.target.find('?');
    request_.path = percent_decode(std::string_view(request.target).substr(0, question));
    if (question != std::string::npos) request_.query = request.target.substr(question + 1);
    request_.host = header(request, "Host");
    if (request.get_header_value_count("Host") > 1) request_.host = "";
    request_.origin = header(request, "Origin");
    request_.authorization = header(request, "Authorization");
    request_.content_type = header(request, "Content-Type");
    request_.range = header(request, "Range");
    request_.arrival = context_.arrival;
    request_.gone = [this] { return stream_.peer_gone(); };
    framing_ = framing_of(request);
    // The library would read a body that is too large to its end before it says so.
    const std::uint64_t length = number(header(request, "Content-Length").value_or(""));
    constexpr std::size_t kChunkHeads = 64u << 10;
    const bool unread = framing_ == Framing::kDoubtful || length > context_.limits.body_bytes;
    stream_.begin_body(unread ? 0 : context_.limits.body_bytes + kChunkHeads);
    // Ranges are ours; bodies come as they are, whatever they are called, and so do answers.
    request.ranges.clear();
    for (const char* name : {"Range", "Content-Type", "Content-Encoding", "Accept-Encoding"}) {
      request.headers.erase(name);
    }
    request.path = "/";
  }

  void handle(const httplib::Request& request, httplib::Response& response) {
    handled_ = framing_ == Framing::kClear;
    request_.body = request.body;
    Reply reply = framing_ == Framing::kDoubtful ? error_reply(400, "bad request")
                                                 : context_.handle(request_);
    response.status = reply.status;
    std::optional<std::uint64_t> length;  // of the stream, or of what a HEAD is about
    for (const auto& [name, value] : reply.headers) {
      if (name == "Content-Length") length = std::stoull(value);
      if (name != "Content-Length") response.set_header(name, value);
    }
    if (length) {
      send_whole_stream(std::move(reply), *length, response);
    } else if (reply.stream != nullptr) {
      send_stream(std::move(reply), response);
    } else if (reply.file) {
      send_file(reply, response);
    } else if (!reply.content_type.empty()) {
      response.set_content(reply.body, reply.content_type);
    }
  }

  void send_stream(Reply reply, httplib::Response& response) {
    const std::shared_ptr<BodyStream> stream = std::move(reply.stream);
    response.set_chunked_content_provider(
        reply.content_type, [this, stream](std::size_t, httplib::DataSink& sink) {
          const auto text = stream->next();
          if (!text) {
            sink.done();
            return true;
          }
          // Who closed his side is gone, as for Ollama.
          const bool taken = text->empty() || sink.write(text->data(), text->size());
          return taken && !stream_.peer_gone();
        });
  }

  // As many bytes as were promised, or a connection that breaks off.
  void send_whole_stream(Reply reply, std::uint64_t length, httplib::Response& response) {
    const std::shared_ptr<BodyStream> stream = std::move(reply.stream);
    response.set_content_provider(
        length, reply.content_type,
        [this, stream](std::size_t, std::size_t, httplib::DataSink& sink) {
          const auto bytes = stream == nullptr ? std::nullopt : stream->next();
          if (!bytes) handled_ = false;
          if (!bytes) return false;
          if (bytes->empty()) return !stream_.peer_gone();
          return sink.write(bytes->data(), bytes->size());
        });
  }

  void send_file(const Reply& reply, httplib::Response& response) {
    response.set_content_provider(
        reply.file->length, reply.content_type,
        [part = *reply.file, buffer = std::vector<char>(256u << 10)](
            std::size_t offset, std::size_t length, httplib::DataSink& sink) mutable {
          const std::size_t wanted = std::min(length, buffer.size());
          const ssize_t got = ::pread(part.file->get(), buffer.data(), wanted,
                                      static_cast<off_t>(part.offset + offset));
          if (got <= 0) return got < 0 && errno == EINTR;
          return sink.write(buffer.data(), static_cast<std::size_t>(got));
        });
  }

  SocketStream& stream_;
  const ConnectionContext& context_;
  Request request_;
  Framing framing_ = Framing::kClear;  // of the request
  bool handled_ = false;
};

}  // namespace

void serve_connection(int socket, const ConnectionContext& context, const base::Clock& clock) {
  SocketStream stream(socket, context.ending_fd, context.limits, clock);
  HttpConnection connection(stream, context);
  while (connection.serve_one()) {
  }
  // What the peer still sends does not turn our last bytes into a reset.
  ::shutdown(socket, SHUT_WR);
  stream.drain();
}

}  // namespace castool::api
