#include "tests/support/hub/gguf.h"

#include <bit>
#include <cstring>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "tests/support/hub/content.h"

namespace castool::hub {
namespace {

static_assert(std::endian::native == std::endian::little,
              "GGUF is little endian, so is this writer");

constexpr std::uint32_t kUint32 = 4;
constexpr std::uint32_t kInt32 = 5;
constexpr std::uint32_t kFloat32 = 6;
constexpr std::uint32_t kString = 8;
constexpr std::uint32_t kArray = 9;
constexpr std::uint32_t kTensorF32 = 0;
constexpr std::uint64_t kAlignment = 32;

constexpr std::uint64_t kVocabulary = 512;
constexpr std::uint64_t kEmbedding = 256;
constexpr std::uint64_t kFeedForward = 704;

template <class T>
void put(std::string& out, T value) {
  char bytes[sizeof value];
  std::memcpy(bytes, &value, sizeof value);
  out.append(bytes, sizeof value);
}

void put_string(std::string& out, const std::string& text) {
  put<std::uint64_t>(out, text.size());
  out += text;
}

class Metadata {
 public:
  void add(const std::string& key, const std::string& value) {
    begin(key, kString);
    put_string(bytes_, value);
  }
  void add(const std::string& key, std::uint32_t value) {
    begin(key, kUint32);
    put(bytes_, value);
  }
  void add(const std::string& key, float value) {
    begin(key, kFloat32);
    put(bytes_, value);
  }
  void add(const std::string& key, const std::vector<std::string>& values) {
    begin_array(key, kString, values.size());
    for (const std::string& value : values) put_string(bytes_, value);
  }
  void add(const std::string& key, const std::vector<float>& values) {
    begin_array(key, kFloat32, values.size());
    for (const float value : values) put(bytes_, value);
  }
  void add(const std::string& key, const std::vector<std::int32_t>& values) {
    begin_array(key, kInt32, values.size());
    for (const std::int32_t value : values) put(bytes_, value);
  }
  [[nodiscard]] std::uint64_t count() const { return count_; }
  [[nodiscard]] const std::string& bytes() const { return bytes_; }

 private:
  void begin(const std::string& key, std::uint32_t type) {
    ++count_;
    put_string(bytes_, key);
    put(bytes_, type);
  }
  void begin_array(const std::string& key, std::uint32_t type, std::uint64_t size) {
    begin(key, kArray);
    put(bytes_, type);
    put(bytes_, size);
  }

  std::uint64_t count_ = 0;
  std::string bytes_;
};

void add_tokenizer(Metadata& metadata) {
  constexpr std::int32_t kNormal = 1;
  constexpr std::int32_t kControl = 3;
  constexpr std::int32_t kByte = 6;
  std::vector<std::string> tokens = {"<unk>", "<s>", "</s>"};
  std::vector<std::int32_t> types = {2, kControl, kControl};
  for (unsigned byte = 0; byte < 256; ++byte) {
    tokens.push_back(fmt::format("<0x{:02X}>", byte));
    types.push_back(kByte);
  }
  while (tokens.size() < kVocabulary) {
    tokens.push_back(fmt::format("\xe2\x96\x81word{}", tokens.size()));
    types.push_back(kNormal);
  }
  std::vector<float> scores;
  for (std::size_t i = 0; i < tokens.size(); ++i) scores.push_back(-static_cast<float>(i));
  metadata.add("tokenizer.ggml.model", std::string("llama"));
  metadata.add("tokenizer.ggml.tokens", tokens);
  metadata.add("tokenizer.ggml.scores", scores);
  metadata.add("tokenizer.ggml.token_type", types);
  metadata.add("tokenizer.ggml.unknown_token_id", std::uint32_t{0});
  metadata.add("tokenizer.ggml.bos_token_id", std::uint32_t{1});
  metadata.add("tokenizer.ggml.eos_token_id", std::uint32_t{2});
  metadata.add("tokenizer.chat_template",
               std::string("{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}"));
}

Metadata make_metadata(const std::string& name) {
  Metadata metadata;
  metadata.add("general.architecture", std::string("llama"));
  metadata.add("general.name", name);
  metadata.add("general.file_type", std::uint32_t{0});
  metadata.add("general.alignment", static_cast<std::uint32_t>(kAlignment));
  metadata.add("llama.context_length", std::uint32_t{512});
  metadata.add("llama.embedding_length", static_cast<std::uint32_t>(kEmbedding));
  metadata.add("llama.block_count", std::uint32_t{1});
  metadata.add("llama.feed_forward_length", static_cast<std::uint32_t>(kFeedForward));
  metadata.add("llama.attention.head_count", std::uint32_t{4});
  metadata.add("llama.attention.head_count_kv", std::uint32_t{4});
  metadata.add("llama.attention.layer_norm_rms_epsilon", 1e-5F);
  metadata.add("llama.rope.dimension_count", static_cast<std::uint32_t>(kEmbedding / 4));
  metadata.add("llama.vocab_size", static_cast<std::uint32_t>(kVocabulary));
  add_tokenizer(metadata);
  return metadata;
}

using Tensor = std::pair<std::string, std::vector<std::uint64_t>>;  // name, dimensions

std::vector<Tensor> tensors() {
  return {{"token_embd.weight", {kEmbedding, kVocabulary}},
          {"output_norm.weight", {kEmbedding}},
          {"output.weight", {kEmbedding, kVocabulary}},
          {"blk.0.attn_norm.weight", {kEmbedding}},
          {"blk.0.attn_q.weight", {kEmbedding, kEmbedding}},
          {"blk.0.attn_k.weight", {kEmbedding, kEmbedding}},
          {"blk.0.attn_v.weight", {kEmbedding, kEmbedding}},
          {"blk.0.attn_output.weight", {kEmbedding, kEmbedding}},
          {"blk.0.ffn_norm.weight", {kEmbedding}},
          {"blk.0.ffn_gate.weight", {kEmbedding, kFeedForward}},
          {"blk.0.ffn_up.weight", {kEmbedding, kFeedForward}},
          {"blk.0.ffn_down.weight", {kFeedForward, kEmbedding}}};
}

std::uint64_t elements(const Tensor& tensor) {
  std::uint64_t count = 1;
  for (const std::uint64_t dimension : tensor.second) count *= dimension;
  return count;
}

void pad(std::string& out) { out.resize((out.size() + kAlignment - 1) / kAlignment * kAlignment); }

// Weights between -0.05 and 0.05, so that a reader that runs the model sees finite numbers.
void put_weights(std::string& out, std::uint64_t count, std::uint64_t seed) {
  std::string noise(count * sizeof(std::uint16_t), '\0');
  static_cast<void>(
      SyntheticContent(noise.size(), seed).read_at(0, std::as_writable_bytes(std::span(noise))));
  for (std::uint64_t i = 0; i < count; ++i) {
    std::uint16_t value = 0;
    std::memcpy(&value, noise.data() + i * sizeof value, sizeof value);
    put(out, (static_cast<float>(value) / 65535.0F - 0.5F) * 0.1F);
  }
}

}  // namespace

std::string make_gguf(const std::string& name, std::uint64_t seed) {
  const Metadata metadata = make_metadata(name);
  const std::vector<Tensor> table = tensors();
  std::string out = "GGUF";
  put<std::uint32_t>(out, 3);
  put<std::uint64_t>(out, table.size());
  put<std::uint64_t>(out, metadata.count());
  out += metadata.bytes();
  std::string data;
  for (const Tensor& tensor : table) {
    pad(data);
    put_string(out, tensor.first);
    put(out, static_cast<std::uint32_t>(tensor.second.size()));
    for (const std::uint64_t dimension : tensor.second) put(out, dimension);
    put(out, kTensorF32);
    put<std::uint64_t>(out, data.size());
    put_weights(data, elements(tensor), seed + data.size());
  }
  pad(out);
  return out + data;
}

}  // namespace castool::hub
