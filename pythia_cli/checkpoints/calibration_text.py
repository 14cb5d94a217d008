"""The text on which the inputs of a model's linears are measured when it is quantized.

Written for this purpose: several kinds of English, and some code, as in the Pile. Its hash is in
each int8 file (docs/int8-file.md), so a change of it changes the files that are made.
"""

TEXT = """\
She had been waiting at the window since breakfast, and when the carriage came at last she did \
not go down to meet it. "You are late," said her brother, smiling; "but we had given up hoping \
for you before dinner, so you must not think that we are angry." He took her hand, and they \
walked slowly through the garden towards the old church, where the children were still playing \
among the stones.

"I never knew a man so changed," replied Mr. Ward, after a pause. "When I first saw him he had \
nothing in the world but his good spirits and a horse; and now, with ten thousand pounds and a \
wife who is fond of him, he can hardly be persuaded to speak." It was not for her to say what \
she thought of this. She only wished, as she had wished every evening since his return, that her\
 mother would talk of something else.

The river is about 340 kilometres long. It rises in the hills north of the town, at a height of \
1,250 metres, and flows to the south-east through three lakes before it reaches the sea. In 1987\
 a dam was built there, which provides power for some 20,000 homes.

def mean(values):
    total = 0.0
    for value in values:
        total += value
    return total / len(values)

Q: How long does it take to boil an egg?
A: About four minutes if you like it soft, and nine if you do not. Put it in cold water first.

We show that the error of the estimator is bounded by a constant, which does not depend on the \
size n of the sample. The proof is given in Section 3. Our results suggest that patients who \
were treated early had fewer symptoms after six months (p < 0.05), although the difference was \
small.
"""
