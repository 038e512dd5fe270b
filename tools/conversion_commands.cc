#include "tools/conversion_commands.h"

#include <algorithm>
#include <utility>

#include "manifest/json_value.h"

namespace castool::tools {
namespace {

using base::Result;

using Words = std::vector<std::string>;

void append(Words& words, const Words& more) {
  words.insert(words.end(), more.begin(), more.end());
}

Result<Words> split_words(std::string_view text) {
  Words words;
  std::string word;
  bool open_word = false;
  char quote = '\0';
  for (const char c : text) {
    if (quote != '\0') {
      if (c == quote) {
        quote = '\0';
      } else {
        word += c;
      }
    } else if (c == '"' || c == '\'') {
      quote = c;
      open_word = true;
    } else if (c == ' ' || c == '\t') {
      if (open_word) words.push_back(std::exchange(word, {}));
      open_word = false;
    } else {
      word += c;
      open_word = true;
    }
  }
  if (quote != '\0') {
    return base::make_error(base::Code::kUsage,
                            "extra_quantization_params: a quote is open at the end");
  }
  if (open_word) words.push_back(std::move(word));
  return words;
}

// What a task wants before the model is named.
Words words_before(const Conversion& conversion) {
  if (conversion.task == "embeddings") {
    return {"--disable-convert-tokenizer", "--task", "feature-extraction", "--library",
            "sentence_transformers"};
  }
  if (conversion.task == "rerank") return {"--disable-convert-tokenizer"};
  if (conversion.task == "text2speech" && conversion.model_type == "kokoro") {
    return {"--task", "text-to-audio"};
  }
  if (conversion.task == "text2speech" && !conversion.vocoder.empty()) {
    return {"--model-kwargs", "{\"vocoder\": " + manifest::json_quote(conversion.vocoder) + "}"};
  }
  return {};
}

bool says_task(const Words& words) {
  return std::ranges::any_of(words, [](const std::string& word) {
    return word == "--task" || word.starts_with("--task=");
  });
}

}  // namespace

Result<Words> export_command(const Conversion& conversion, const std::string& output) {
  Words words{"optimum-cli", "export", "openvino"};
  append(words, words_before(conversion));
  append(words, {"--model", conversion.source});
  if (conversion.task != "image_generation") words.emplace_back("--trust-remote-code");
  const std::string& format = conversion.weight_format;
  append(words, {"--weight-format", format.empty() ? "int8" : format});
  if (conversion.task == "rerank") append(words, {"--task", "text-classification"});
  // What the NPU can run of a language model.
  const bool npu = conversion.task == "text_generation" && conversion.target_device == "NPU";
  const std::string_view npu_words = "--sym --ratio 1.0 --group-size -1";
  CASTOOL_ASSIGN(const Words extra,
                 split_words(npu && conversion.extra.empty() ? npu_words : conversion.extra));
  append(words, extra);
  if (!conversion.export_task.empty() && !says_task(words)) {
    append(words, {"--task", conversion.export_task});
  }
  words.push_back(output);
  return words;
}

std::optional<Words> tokenizer_command(const Conversion& conversion, const std::string& output) {
  if (conversion.task == "image_generation") return std::nullopt;
  Words words{"convert_tokenizer", conversion.source};
  if (conversion.task == "text_generation") words.emplace_back("--with-detokenizer");
  append(words, {"-o", output});
  return words;
}

}  // namespace castool::tools
