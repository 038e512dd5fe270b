"""Run by the Python that has optimum-intel: `make DIR` writes a tiny language model with random
weights, `compare DIR MODEL` says how far what was converted from it is from the original.

Prints JSON. Nothing comes from outside.
"""

import json
import pathlib
import sys

import torch
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

TEXT = "the quick brown fox jumps over the lazy dog"
ENDS = ["<s>", "</s>"]


def make(folder):
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    torch.manual_seed(7)
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.train_from_iterator([TEXT] * 3, trainers.BpeTrainer(
        vocab_size=300, special_tokens=ENDS, initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token=ENDS[0], eos_token=ENDS[1])
    fast.save_pretrained(folder)
    config = LlamaConfig(vocab_size=len(fast), hidden_size=64, intermediate_size=128,
                         num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
                         max_position_embeddings=128, bos_token_id=0, eos_token_id=1)
    LlamaForCausalLM(config).save_pretrained(folder)


def compare(source, converted):
    import openvino
    import openvino_tokenizers

    core = openvino.Core()
    converted = pathlib.Path(converted)
    tokenizer = core.compile_model(converted / "openvino_tokenizer.xml", "CPU")
    detokenizer = core.compile_model(converted / "openvino_detokenizer.xml", "CPU")
    tokens = tokenizer([TEXT])["input_ids"]
    ids = torch.tensor(tokens).long()
    expected = PreTrainedTokenizerFast.from_pretrained(source)(TEXT)["input_ids"]
    with torch.no_grad():
        wanted = AutoModelForCausalLM.from_pretrained(source)(ids).logits
    model = core.compile_model(converted / "openvino_model.xml", "CPU")
    length = ids.shape[1]
    given = {"input_ids": ids.numpy(), "attention_mask": torch.ones_like(ids).numpy(),
             "position_ids": torch.arange(length)[None].numpy(),
             "beam_idx": torch.zeros(1, dtype=torch.int32).numpy()}
    names = {name for port in model.inputs for name in port.get_names()}
    got = torch.tensor(model({name: value for name, value in given.items() if name in names})["logits"])
    error = ((got - wanted).norm() / wanted.norm()).item()
    print(json.dumps({"same_tokens": tokens[0].tolist() == expected, "relative_error": error,
                      "text": str(detokenizer(tokens)["string_output"][0]),
                      "tokenizers": openvino_tokenizers.__version__}))


if sys.argv[1] == "make":
    make(sys.argv[2])
else:
    compare(sys.argv[2], sys.argv[3])
